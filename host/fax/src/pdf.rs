//! A fax as PDF: each page is an image for each strip, of T.6, T.4 or bare bits, which a PDF holds as they are
//! (ISO 32000-1 section 7.4.6).

use crate::tiff::{BARE, GROUP_3, GROUP_4, NoFax, Page, pages};
use std::fmt::Write as _;

/// Why no PDF can be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoPdf {
    /// The file is no fax.
    #[error(transparent)]
    NoFax(#[from] NoFax),
    /// A page is written in another way than those that a PDF holds as they are.
    #[error("a page is neither uncompressed nor T.4 or T.6")]
    Otherwise,
}

/// The PDF of a TIFF whose pages are T.6, T.4 or not compressed.
///
/// # Errors
/// It is none.
pub fn from_tiff(tiff: &[u8]) -> Result<Vec<u8>, NoPdf> {
    let pages = pages(tiff)?;
    if pages.iter().any(|page| ![BARE, GROUP_3, GROUP_4].contains(&page.compression)) {
        return Err(NoPdf::Otherwise);
    }
    let mut pdf = Pdf { out: b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec(), places: Vec::new() };
    // Objects 1 and 2 are written last; each page has itself, its content, and its strips.
    let mut kids = String::new();
    let mut next = 3;
    for page in &pages {
        let _ = write!(kids, "{next} 0 R ");
        next = pdf.page(next, page);
    }
    pdf.object(1, "<< /Type /Catalog /Pages 2 0 R >>", None);
    pdf.object(2, &format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", pages.len()), None);
    Ok(pdf.end(next))
}

struct Pdf {
    out: Vec<u8>,
    places: Vec<(usize, usize)>,
}

impl Pdf {
    fn object(&mut self, number: usize, dictionary: &str, stream: Option<&[u8]>) {
        self.places.push((number, self.out.len()));
        self.out.extend(format!("{number} 0 obj\n{dictionary}\n").bytes());
        if let Some(stream) = stream {
            self.out.extend(b"stream\n");
            self.out.extend(stream);
            self.out.extend(b"\nendstream\n");
        }
        self.out.extend(b"endobj\n");
    }

    /// Writes a page from this number on; gives the next one.
    fn page(&mut self, number: usize, page: &Page) -> usize {
        // 72 points to an inch; the page is as large as it was on paper.
        let points = |pixels: u32, dots: u32| f64::from(pixels) * 7_200.0 / f64::from(dots.max(1));
        let (wide, high) = (points(page.width, page.resolution.0), points(page.height, page.resolution.1));
        let (mut content, mut images, mut below) = (String::new(), String::new(), high);
        for (n, (rows, _)) in page.strips.iter().enumerate() {
            let tall = points(*rows, page.resolution.1);
            below -= tall;
            let _ = writeln!(content, "q {wide:.3} 0 0 {tall:.3} 0 {below:.3} cm /S{n} Do Q");
            let _ = write!(images, "/S{n} {} 0 R ", number + 2 + n);
        }
        let resources = format!("<< /XObject << {images}>> /ProcSet [/PDF /ImageB] >>");
        let content_at = number + 1;
        self.object(
            number,
            &format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {wide:.3} {high:.3}] /Resources {resources} \
                 /Contents {content_at} 0 R >>"
            ),
            None,
        );
        self.object(content_at, &format!("<< /Length {} >>", content.len()), Some(content.as_bytes()));
        for (n, (rows, strip)) in page.strips.iter().enumerate() {
            let (width, length) = (page.width, strip.len());
            let dictionary = format!(
                "<< /Type /XObject /Subtype /Image /Width {width} /Height {rows} /ColorSpace /DeviceGray \
                 /BitsPerComponent 1 {} /Length {length} >>",
                written(page, *rows)
            );
            self.object(number + 2 + n, &dictionary, Some(strip));
        }
        number + 2 + page.strips.len()
    }

    fn end(mut self, count: usize) -> Vec<u8> {
        let table = self.out.len();
        self.places.sort_unstable();
        let mut end = format!("xref\n0 {count}\n0000000000 65535 f \n");
        for (_, place) in &self.places {
            let _ = writeln!(end, "{place:010} 00000 n ");
        }
        let _ = writeln!(end, "trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF");
        self.out.extend(end.bytes());
        self.out
    }
}

/// How a page's strip of so many lines is written.
fn written(page: &Page, rows: u32) -> String {
    let (width, black) = (page.width, page.black_is_zero);
    let k = match (page.compression, page.two_dimensional) {
        (BARE, _) => return format!("/Decode {}", if black { "[0 1]" } else { "[1 0]" }),
        (GROUP_3, false) => 0,
        (GROUP_3, true) => 1,
        _ => -1,
    };
    format!("/Filter /CCITTFaxDecode /DecodeParms << /K {k} /Columns {width} /Rows {rows} /BlackIs1 {black} >>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pdf_points_at_each_of_its_objects() {
        let mut tiff = crate::tiff::write(&[(1_728, vec![0; 216 * 4]), (1_728, vec![0; 216 * 2])]);
        let bare = String::from_utf8_lossy(&from_tiff(&tiff).unwrap()).into_owned();
        assert!(bare.contains("/BitsPerComponent 1 /Decode [1 0] /Length 864") && !bare.contains("/Filter"), "{bare}");
        // The compression of both pages becomes another: what the strips say is not read here.
        let marks: Vec<usize> =
            (0..tiff.len() - 12).filter(|at| tiff[*at..].starts_with(&[3, 1, 3, 0, 1, 0])).collect();
        assert_eq!(marks.len(), 2);
        marks.iter().for_each(|at| tiff[at + 8] = 5);
        assert_eq!(from_tiff(&tiff), Err(NoPdf::Otherwise));
        marks.into_iter().for_each(|at| tiff[at + 8] = 4);
        let pdf = from_tiff(&tiff).unwrap();
        let text = String::from_utf8_lossy(&pdf);
        assert!(text.contains("/Count 2") && text.contains("/Kids [3 0 R 6 0 R ]"), "{text}");
        let table = text.rsplit("startxref\n").next().and_then(|rest| rest.lines().next()).unwrap();
        let table = &pdf[table.parse::<usize>().unwrap()..];
        let lines: Vec<&str> = core::str::from_utf8(table).unwrap().lines().skip(3).take(8).collect();
        for (number, line) in (1..).zip(lines) {
            let place: usize = line.split(' ').next().unwrap().parse().unwrap();
            assert!(pdf[place..].starts_with(format!("{number} 0 obj").as_bytes()), "{number}: {line}");
        }
    }
}
