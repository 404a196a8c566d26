//! Pages to send, and a look at those that came.

use ccitt::decoder::{decode_g4, pels};
use facsimile::wire::Done;
use facsimile::{pdf, tiff};
use std::path::Path;

/// Pixels of a line.
const WIDTH: u32 = 1_728;
/// Bytes of one.
const STRIDE: usize = 216;

/// A page that no mistake leaves as it is: lines, blocks, and noise.
fn page(rows: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut bits = vec![0_u8; STRIDE * rows];
    for (row, line) in bits.chunks_exact_mut(STRIDE).enumerate() {
        for (at, byte) in line.iter_mut().enumerate() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = match (row / 16 + at / 8) % 4 {
                0 => 0xff,
                1 if row % 16 == 3 => (state >> 24) as u8,
                2 if at % 7 == 0 => 0x18,
                _ => 0,
            };
        }
    }
    bits
}

/// Writes two pages to send; gives them.
pub(crate) fn sent(file: &Path, seed: u32) -> Vec<(u32, Vec<u8>)> {
    let pages = vec![(WIDTH, page(300, seed)), (WIDTH, page(180, seed + 1))];
    std::fs::write(file, tiff::write(&pages)).expect("a file to send");
    pages
}

/// The pixels of a file's pages, a set bit black.
fn pixels(file: &Path) -> Vec<Vec<u8>> {
    let pages = tiff::pages(&std::fs::read(file).expect("a file")).expect("a TIFF");
    let mut all = Vec::new();
    for page in &pages {
        assert_eq!((page.width, page.compression), (WIDTH, tiff::GROUP_4));
        let mut bits = Vec::new();
        for (rows, strip) in &page.strips {
            let whole = decode_g4(strip.iter().copied(), 1_728, Some(*rows), |line| {
                let mut row = vec![0_u8; STRIDE];
                for (at, colour) in pels(line, 1_728).enumerate() {
                    if colour == ccitt::Color::Black {
                        row[at / 8] |= 0x80 >> (at % 8);
                    }
                }
                bits.extend(row);
            });
            assert!(whole.is_some(), "T.6 of {rows} lines");
        }
        all.push(bits);
    }
    all
}

/// All went well on both sides, and each pixel is where it was.
pub(crate) fn check(sent: &[(u32, Vec<u8>)], received: &Path, ends: (Option<&Done>, Option<&Done>), t38: bool) {
    let (sender, receiver) = (ends.0.expect("sent"), ends.1.expect("received"));
    let pages = u32::try_from(sent.len()).expect("few");
    assert_eq!((sender.ok, sender.pages, sender.t38), (true, pages, t38), "{sender:?}");
    assert_eq!((receiver.ok, receiver.pages, receiver.t38), (true, pages, t38), "{receiver:?}");
    let arrived = pixels(received);
    assert_eq!(arrived.len(), sent.len());
    for ((_, sent), arrived) in sent.iter().zip(&arrived) {
        assert!(sent == arrived, "{} bytes sent, {} arrived", sent.len(), arrived.len());
    }
    let pdf = pdf::from_tiff(&std::fs::read(received).expect("a file")).expect("a PDF of it");
    assert!(pdf.starts_with(b"%PDF-1.4") && String::from_utf8_lossy(&pdf).contains(&format!("/Count {pages}")));
}
