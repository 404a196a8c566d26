//! TIFF as far as faxes need it: the pages of a file, each a few strips of one bit per pixel.

/// Most pages that are read of a file.
pub const PAGES_MAX: usize = 10_000;
/// Most strips of a page.
const STRIPS_MAX: usize = 100_000;
/// Most entries of a page's directory.
const ENTRIES_MAX: u16 = 200;
/// Wider or longer than this is no fax page.
const SIDE_MAX: u32 = 65_535;

/// No compression, as `Compression` names it.
pub const BARE: u32 = 1;
/// T.4.
pub const GROUP_3: u32 = 3;
/// T.6.
pub const GROUP_4: u32 = 4;

/// One page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// Pixels of a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// TIFF's number: 1 for none, 3 for T.4, 4 for T.6.
    pub compression: u32,
    /// A set bit is white, where it is not compressed; of T.4 and T.6, black and white change places.
    pub black_is_zero: bool,
    /// T.4 with lines that tell how they differ from the one above.
    pub two_dimensional: bool,
    /// Dots per inch, across and down, in hundredths.
    pub resolution: (u32, u32),
    /// The strips, the highest first, with the bits of each byte in the usual order, and how many lines each has.
    pub strips: Vec<(u32, Vec<u8>)>,
}

/// Why a file is no TIFF that can be read here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no TIFF of fax pages: {0}")]
pub struct NoFax(&'static str);

struct File<'a> {
    bytes: &'a [u8],
    big: bool,
}

/// A value of a directory: its type, how many, and the four bytes that hold them or say where they are.
struct Field<'a> {
    kind: u16,
    count: u32,
    at: &'a [u8],
}

impl<'a> File<'a> {
    fn at(&self, place: usize, len: usize) -> Option<&'a [u8]> {
        self.bytes.get(place..place.checked_add(len)?)
    }

    fn u16(&self, bytes: &[u8]) -> Option<u16> {
        let pair: [u8; 2] = bytes.get(..2)?.try_into().ok()?;
        Some(if self.big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) })
    }

    fn u32(&self, bytes: &[u8]) -> Option<u32> {
        let four: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
        Some(if self.big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
    }

    fn field(&self, directory: usize, entries: u16, tag: u16) -> Option<Field<'a>> {
        (0..usize::from(entries)).find_map(|n| {
            let entry = self.at(directory + 2 + 12 * n, 12)?;
            (self.u16(entry)? == tag).then_some(())?;
            Some(Field { kind: self.u16(&entry[2..])?, count: self.u32(&entry[4..])?, at: &entry[8..] })
        })
    }

    /// Whole numbers, of 16 or 32 bits.
    fn numbers(&self, field: &Field<'a>) -> Option<Vec<u32>> {
        let size = match field.kind {
            3 => 2,
            4 => 4,
            _ => return None,
        };
        let count = usize::try_from(field.count).ok().filter(|count| *count <= STRIPS_MAX)?;
        let all = if count * size <= 4 {
            field.at.get(..count * size)?
        } else {
            self.at(usize::try_from(self.u32(field.at)?).ok()?, count * size)?
        };
        let one = |bytes: &[u8]| if size == 2 { self.u16(bytes).map(u32::from) } else { self.u32(bytes) };
        all.chunks_exact(size).map(one).collect()
    }

    fn number(&self, directory: usize, entries: u16, tag: u16) -> Option<u32> {
        self.numbers(&self.field(directory, entries, tag)?)?.first().copied()
    }

    /// A fraction, in hundredths.
    fn fraction(&self, directory: usize, entries: u16, tag: u16) -> Option<u32> {
        let field = self.field(directory, entries, tag).filter(|field| field.kind == 5)?;
        let place = usize::try_from(self.u32(field.at)?).ok()?;
        let (above, below) = (self.u32(self.at(place, 4)?)?, self.u32(self.at(place + 4, 4)?)?);
        u32::try_from((u64::from(above) * 100).checked_div(u64::from(below))?).ok()
    }

    /// A page; `room` is how many bytes it and those after it may have: as many as the file, as no two strips are the same.
    fn page(&self, directory: usize, entries: u16, room: &mut usize) -> Result<Page, NoFax> {
        let number = |tag| self.number(directory, entries, tag);
        let side = |tag| number(tag).filter(|side| (1..=SIDE_MAX).contains(side)).ok_or(NoFax("a page without a size"));
        let (width, height) = (side(256)?, side(257)?);
        if number(258).unwrap_or(1) != 1 || number(277).unwrap_or(1) != 1 {
            return Err(NoFax("more than one bit to a pixel"));
        }
        let list = |tag| self.field(directory, entries, tag).and_then(|field| self.numbers(&field));
        let (places, lengths) = list(273).zip(list(279)).ok_or(NoFax("a page without strips"))?;
        let rows = number(278).unwrap_or(height).clamp(1, height);
        let reversed = number(266) == Some(2);
        let mut strips = Vec::new();
        let mut left = height;
        for (place, len) in places.into_iter().zip(lengths) {
            let bytes =
                usize::try_from(place).ok().zip(usize::try_from(len).ok()).and_then(|(at, len)| self.at(at, len));
            let bytes = bytes.ok_or(NoFax("a strip outside of the file"))?;
            *room = room.checked_sub(bytes.len().max(4)).ok_or(NoFax("strips that lie over each other"))?;
            let bytes = bytes.iter().map(|byte| if reversed { byte.reverse_bits() } else { *byte }).collect();
            if left > 0 {
                strips.push((rows.min(left), bytes));
            }
            left = left.saturating_sub(rows);
        }
        if left > 0 {
            return Err(NoFax("a page that is not all there"));
        }
        // Dots per centimetre where the unit says so.
        let inch = |value: u32| if number(296) == Some(3) { value.saturating_mul(254) / 100 } else { value };
        let dots = |tag| self.fraction(directory, entries, tag).filter(|dots| *dots > 0).map(inch);
        Ok(Page {
            width,
            height,
            compression: number(259).unwrap_or(1),
            black_is_zero: number(262) == Some(1),
            two_dimensional: number(292).is_some_and(|options| options & 1 == 1),
            resolution: (dots(282).unwrap_or(20_400), dots(283).unwrap_or(19_600)),
            strips,
        })
    }
}

/// The pages of a file.
///
/// # Errors
/// It is no TIFF, or one of other than black and white, or broken.
pub fn pages(bytes: &[u8]) -> Result<Vec<Page>, NoFax> {
    let short = NoFax("cut short");
    let big = match bytes.get(..4) {
        Some([b'I', b'I', 42, 0]) => false,
        Some([b'M', b'M', 0, 42]) => true,
        Some(_) | None => return Err(NoFax("it does not begin as one")),
    };
    let file = File { bytes, big };
    let mut next = file.u32(bytes.get(4..).unwrap_or_default()).ok_or(short)?;
    let (mut pages, mut room) = (Vec::new(), bytes.len());
    while next != 0 {
        if pages.len() >= PAGES_MAX {
            return Err(NoFax("too many pages"));
        }
        let directory = usize::try_from(next).map_err(|_| short)?;
        let entries = file.u16(file.at(directory, 2).ok_or(short)?).ok_or(short)?;
        if entries > ENTRIES_MAX {
            return Err(NoFax("a page of too many fields"));
        }
        pages.push(file.page(directory, entries, &mut room)?);
        let behind = file.at(directory + 2 + 12 * usize::from(entries), 4).ok_or(short)?;
        next = file.u32(behind).ok_or(short)?;
    }
    if pages.is_empty() { Err(NoFax("no page")) } else { Ok(pages) }
}

/// A file of uncompressed pages, each of so many pixels to a line, one bit each, a set bit black; at 204 by 196 dots per
/// inch. Lines are padded to whole bytes.
#[must_use]
pub fn write(pages: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut out = b"II\x2a\x00".to_vec();
    let mut link = out.len();
    out.extend([0; 4]);
    for (n, (width, bits)) in (0_u32..).zip(pages) {
        let stride = width.div_ceil(8).max(1);
        let len = u32::try_from(bits.len()).unwrap_or(u32::MAX);
        let here = |out: &Vec<u8>| u32::try_from(out.len()).unwrap_or(u32::MAX);
        let data = here(&out);
        out.extend(bits);
        out.resize(out.len().next_multiple_of(2), 0);
        let dots = here(&out);
        for number in [204_u32, 1, 196, 1] {
            out.extend(number.to_le_bytes());
        }
        let directory = here(&out);
        let fields: [(u16, u16, u32); 14] = [
            (254, 4, 2),
            (256, 4, *width),
            (257, 4, len / stride),
            (258, 3, 1),
            (259, 3, 1),
            (262, 3, 0),
            (273, 4, data),
            (277, 3, 1),
            (278, 4, len / stride),
            (279, 4, len),
            (282, 5, dots),
            (283, 5, dots + 8),
            (296, 3, 2),
            // The page's number, and of how many: two numbers of 16 bits.
            (297, 3, n | u32::try_from(pages.len()).unwrap_or(0) << 16),
        ];
        out.extend(u16::try_from(fields.len()).unwrap_or_default().to_le_bytes());
        for (tag, kind, value) in fields {
            out.extend(tag.to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend(if tag == 297 { 2_u32 } else { 1 }.to_le_bytes());
            out.extend(value.to_le_bytes());
        }
        if let Some(place) = out.get_mut(link..link + 4) {
            place.copy_from_slice(&directory.to_le_bytes());
        }
        link = out.len();
        out.extend([0; 4]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let first: Vec<u8> = (0..216 * 10).map(|n| n as u8).collect();
        let file = write(&[(1_728, first.clone()), (16, vec![0xaa, 0x55])]);
        let read = pages(&file).unwrap();
        assert_eq!((read[0].width, read[0].height, read[0].compression), (1_728, 10, 1));
        assert_eq!(read[0].resolution, (20_400, 19_600));
        assert_eq!(read[0].strips, [(10, first)]);
        assert_eq!((read[1].height, &read[1].strips[0].1), (1, &vec![0xaa, 0x55]));
    }

    #[test]
    fn nothing_of_a_broken_file_hurts() {
        let file = write(&[(64, vec![1; 80])]);
        for end in 0..file.len() {
            assert!(pages(&file[..end]).is_err(), "{end}");
        }
        for at in 0..file.len() {
            for with in [0, 1, 0x7f, 0xff] {
                let mut broken = file.clone();
                broken[at] = with;
                let _read_or_refused = pages(&broken);
            }
        }
        let mut circle = file.clone();
        let at = circle.len() - 4;
        let first: [u8; 4] = circle[4..8].try_into().unwrap();
        circle[at..].copy_from_slice(&first);
        assert_eq!(pages(&circle), Err(NoFax("strips that lie over each other")));
    }
}
