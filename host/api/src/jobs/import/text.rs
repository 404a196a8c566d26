//! The text of files: comma-separated values (RFC 4180), read from a job's pieces, written with care.
//!
//! What spreadsheets would compute is not handed to them: a cell that begins as a formula does (`=`, `-`, `@`, a tab, a
//! return, or `+` before anything but digits) goes out with an apostrophe before it, which comes off again on the way in.

use crate::jobs::{Broke, Run};
use csv_core::{ReadRecordResult, Reader};

/// Most cells of a line.
pub(crate) const CELLS_MAX: usize = 128;
/// Most bytes of a cell.
pub(crate) const CELL_BYTES_MAX: usize = 4_096;
/// Most bytes of a line.
const LINE_BYTES_MAX: usize = 64 * 1_024;

/// A line of a file; one that has line breaks in quotes is more lines of text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    /// Where it begins, the first line of the file is 1.
    pub(crate) line: u64,
    pub(crate) cells: Vec<String>,
}

/// The lines of a job's file, one after the other.
pub(crate) struct Records<'a> {
    run: &'a Run,
    lines: Lines,
    next: u32,
}

impl<'a> Records<'a> {
    pub(crate) fn of(run: &'a Run) -> Records<'a> {
        Records { run, lines: Lines::new(), next: 0 }
    }

    /// The next line; none after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Record>, Broke> {
        loop {
            match self.lines.next().map_err(|why| Broke::Final(why, None))? {
                Took::Line(record) => return Ok(Some(record)),
                Took::End => return Ok(None),
                Took::Hungry => {
                    let piece = self.run.api.db.job_runs().piece(self.run.job.id, self.next).await?;
                    self.next += 1;
                    self.lines.feed(piece.unwrap_or_default());
                }
            }
        }
    }
}

/// The lines of a text that is there.
pub(crate) fn every(text: &str) -> Result<Vec<Record>, String> {
    let (mut lines, mut out) = (Lines::new(), Vec::new());
    lines.feed(text.as_bytes().to_vec());
    loop {
        match lines.next()? {
            Took::Line(record) => out.push(record),
            Took::Hungry => lines.feed(Vec::new()),
            Took::End => return Ok(out),
        }
    }
}

enum Took {
    Line(Record),
    /// It needs more text; an empty piece is the end of it.
    Hungry,
    End,
}

struct Lines {
    core: Reader,
    piece: Vec<u8>,
    at: usize,
    over: bool,
    /// Of the text.
    line: u64,
    /// Where the line of the file that is being read began.
    begun: Option<u64>,
    out: Vec<u8>,
    ends: Vec<usize>,
    filled: usize,
    cells: usize,
}

impl Lines {
    fn new() -> Lines {
        Lines {
            core: Reader::new(),
            piece: Vec::new(),
            at: 0,
            over: false,
            line: 1,
            begun: None,
            out: vec![0; LINE_BYTES_MAX],
            ends: vec![0; CELLS_MAX],
            filled: 0,
            cells: 0,
        }
    }

    fn feed(&mut self, piece: Vec<u8>) {
        self.over = piece.is_empty();
        self.at = 0;
        if self.line == 1 && self.begun.is_none() && piece.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
        self.piece = piece;
    }

    fn next(&mut self) -> Result<Took, String> {
        while self.begun.is_none() {
            match self.piece.get(self.at) {
                Some(b'\n') => self.line += 1,
                Some(b'\r') => {}
                Some(_) => self.begun = Some(self.line),
                None if self.over => return Ok(Took::End),
                None => return Ok(Took::Hungry),
            }
            self.at += usize::from(self.begun.is_none());
        }
        if self.at >= self.piece.len() && !self.over {
            return Ok(Took::Hungry);
        }
        self.read()
    }

    fn read(&mut self) -> Result<Took, String> {
        let begun = self.begun.unwrap_or(self.line);
        let input = self.piece.get(self.at..).unwrap_or_default();
        let (out, ends) = (self.out.get_mut(self.filled..), self.ends.get_mut(self.cells..));
        let (result, read, wrote, cells) =
            self.core.read_record(input, out.unwrap_or_default(), ends.unwrap_or_default());
        self.line += input.iter().take(read).filter(|b| **b == b'\n').count() as u64;
        self.at += read;
        self.filled += wrote;
        self.cells += cells;
        match result {
            ReadRecordResult::InputEmpty if self.over => Ok(Took::End),
            ReadRecordResult::InputEmpty => Ok(Took::Hungry),
            ReadRecordResult::OutputFull => Err(format!("line {begun} has more than {LINE_BYTES_MAX} bytes")),
            ReadRecordResult::OutputEndsFull => Err(format!("line {begun} has more than {CELLS_MAX} cells")),
            ReadRecordResult::End => Ok(Took::End),
            ReadRecordResult::Record => {
                let record = self.record(begun)?;
                (self.begun, self.filled, self.cells) = (None, 0, 0);
                Ok(Took::Line(record))
            }
        }
    }

    fn record(&self, line: u64) -> Result<Record, String> {
        let mut cells = Vec::with_capacity(self.cells);
        let mut from = 0;
        for end in self.ends.iter().take(self.cells) {
            let bytes = self.out.get(from..*end).unwrap_or_default();
            from = *end;
            if bytes.len() > CELL_BYTES_MAX {
                return Err(format!("line {line} has a cell of more than {CELL_BYTES_MAX} bytes"));
            }
            let text = core::str::from_utf8(bytes).map_err(|_| format!("line {line} is no UTF-8 text"))?;
            cells.push(plain(text.trim()).to_owned());
        }
        Ok(Record { line, cells })
    }
}

/// Whether a spreadsheet would compute a cell.
fn is_formula(text: &str) -> bool {
    let mut chars = text.chars();
    match chars.next() {
        Some('=' | '-' | '@' | '\t' | '\r') => true,
        Some('+') => text.len() == 1 || !chars.all(|c| c.is_ascii_digit()),
        Some(_) | None => false,
    }
}

/// A cell without the apostrophe that keeps it from being computed.
fn plain(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(text)
}

/// A line to be written.
pub(crate) fn written<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        let guard = if is_formula(cell) { "'" } else { "" };
        if cell.contains([',', '"', '\n', '\r']) || cell.starts_with(' ') || cell.ends_with(' ') {
            out.push('"');
            out += guard;
            out += &cell.replace('"', "\"\"");
            out.push('"');
        } else {
            out += guard;
            out += cell;
        }
    }
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in(pieces: usize, text: &str) -> Result<Vec<(u64, Vec<String>)>, String> {
        let (mut lines, mut out) = (Lines::new(), Vec::new());
        let mut rest = text.as_bytes().chunks(pieces);
        loop {
            match lines.next()? {
                Took::Line(record) => out.push((record.line, record.cells)),
                Took::Hungry => lines.feed(rest.next().unwrap_or_default().to_vec()),
                Took::End => return Ok(out),
            }
        }
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let text = "\u{feff}a,b\r\n\r\n1,\"two\nlines, \"\"q\"\"\"\n\n 2 ,'=x\n3,'y\nend,";
        let expected: Vec<(u64, Vec<String>)> =
            [(1, ["a", "b"]), (3, ["1", "two\nlines, \"q\""]), (6, ["2", "=x"]), (7, ["3", "'y"]), (8, ["end", ""])]
                .map(|(line, cells)| (line, cells.map(str::to_owned).to_vec()))
                .to_vec();
        for pieces in [4, 5, 7, 1_000] {
            assert_eq!(read_in(pieces, text).unwrap(), expected, "in pieces of {pieces}");
        }
        assert_eq!(read_in(9, "").unwrap(), []);
    }

    #[test]
    fn what_is_too_much_is_named_with_its_line() {
        let text = format!("a\n{}\n", "x".repeat(CELL_BYTES_MAX + 1));
        assert_eq!(read_in(100, &text).unwrap_err(), "line 2 has a cell of more than 4096 bytes");
        let text = format!("a\nb\n{}\n", ",".repeat(CELLS_MAX));
        assert!(read_in(100, &text).unwrap_err().starts_with("line 3 has more than 128 cells"));
        let text = format!("\"{}\"", "x".repeat(LINE_BYTES_MAX));
        assert!(read_in(100, &text).unwrap_err().starts_with("line 1 has more than"));
    }

    #[test]
    fn nothing_that_goes_out_is_computed_and_all_of_it_comes_back() {
        let cells = ["=1+1", "+44207", "+1+1", "-5", "@x", "a,b", "say \"x\"", " blank", "two\nlines", "'", ""];
        let text = written(cells);
        assert!(text.starts_with("'=1+1,+44207,'+1+1,'-5,'@x,\"a,b\""), "{text}");
        let back = &every(&text).unwrap()[0].cells;
        let trimmed: Vec<&str> = cells.iter().map(|c| c.trim()).collect();
        assert_eq!(back, &trimmed);
    }
}
