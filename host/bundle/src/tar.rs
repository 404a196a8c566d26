//! The plain subset of ustar (POSIX.1-1988) that bundles are: regular files and folders, names up to 100 bytes.

const BLOCK: usize = 512;

/// Why an archive cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Broken(pub(crate) String);

fn octal(field: &[u8]) -> Option<usize> {
    let text = core::str::from_utf8(field).ok()?;
    usize::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()
}

fn sum(header: &[u8]) -> usize {
    header.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { usize::from(*b) }).sum()
}

/// The files of an archive, in its order.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Broken> {
    let broken = |why: &str| Broken(why.to_owned());
    let mut files = Vec::new();
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + BLOCK) {
        if header.iter().all(|b| *b == 0) {
            return Ok(files);
        }
        if octal(&header[148..156]) != Some(sum(header)) {
            return Err(broken("a header's checksum is wrong: it is no tar, or it was damaged"));
        }
        let end = header[..100].iter().position(|b| *b == 0).unwrap_or(100);
        let name = core::str::from_utf8(&header[..end]).map_err(|_| broken("a name is no UTF-8"))?;
        let size = octal(&header[124..136]).ok_or_else(|| broken("a size is no number"))?;
        let content =
            bytes.get(at + BLOCK..).and_then(|rest| rest.get(..size)).ok_or_else(|| broken("it is cut short"))?;
        match header[156] {
            b'0' | 0 => files.push((name.strip_prefix("./").unwrap_or(name).to_owned(), content.to_vec())),
            b'5' => {}
            kind => return Err(Broken(format!("{name}: only files and folders, not type {:?}", char::from(kind)))),
        }
        at += BLOCK + size.div_ceil(BLOCK) * BLOCK;
    }
    Err(broken("it is cut short"))
}

/// An archive of files, the same for the same files: no times, no owners.
pub(crate) fn write<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Vec<u8>, Broken> {
    let mut out = Vec::new();
    for (name, content) in files {
        if name.is_empty() || name.len() > 100 {
            return Err(Broken(format!("{name:?}: names have 1 to 100 bytes")));
        }
        let mut header = [0_u8; BLOCK];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..108].copy_from_slice(b"0000644\0");
        header[108..116].copy_from_slice(b"0000000\0");
        header[116..124].copy_from_slice(b"0000000\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        header[136..148].copy_from_slice(b"00000000000\0");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let check = format!("{:06o}\0 ", sum(&header));
        header[148..156].copy_from_slice(check.as_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(content);
        out.resize(out.len().div_ceil(BLOCK) * BLOCK, 0);
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    Ok(out)
}
