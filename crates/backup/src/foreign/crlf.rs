//! Scripts whose every line feed has got a carriage return before it: on its way through a terminal (`docker exec -t`), or through
//! a program of Windows.
//!
//! Invariant: what comes out is what went in before that, to the byte. Where one line feed has none, that was not what happened.

use lifeboat_core::{Error, Kind, Result};

use super::flow::{Flow, Made, STEP_BYTES};

/// The bytes without those carriage returns.
pub(super) struct Unreturned {
    script: Box<dyn Flow>,
    slice: Vec<u8>,
    made: Made,
    /// Whether the last byte was a carriage return, which is not given before it is known what follows.
    held: bool,
    line: u64,
    ended: bool,
}

impl Unreturned {
    pub(super) fn new(script: Box<dyn Flow>) -> Self {
        Self { script, slice: vec![0; STEP_BYTES], made: Made::default(), held: false, line: 1, ended: false }
    }

    fn step(&mut self) -> Result<()> {
        let read = self.script.read(&mut self.slice)?;
        let mut kept = Vec::with_capacity(read + 1);
        for byte in &self.slice[..read] {
            match (byte, self.held) {
                (b'\n', false) => return Err(mixed(self.line)),
                (b'\n', true) => self.line += 1,
                (_, true) => kept.push(b'\r'),
                (_, false) => {}
            }
            self.held = *byte == b'\r';
            if !self.held {
                kept.push(*byte);
            }
        }
        self.ended = read == 0;
        if self.ended && self.held {
            kept.push(b'\r');
        }
        self.made.set(kept);
        Ok(())
    }
}

impl Flow for Unreturned {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        while self.made.is_empty() {
            if self.ended {
                return Ok(0);
            }
            self.step()?;
        }
        Ok(self.made.give(into))
    }
}

/// Whether the first line of a script ends so.
pub(super) fn begins(head: &[u8]) -> bool {
    memchr::memchr(b'\n', head).is_some_and(|end| end > 0 && head[end - 1] == b'\r')
}

fn mixed(line: u64) -> Error {
    Error::new(
        Kind::Integrity,
        format!("read line {line} of the script: it ends without the carriage return that those before it end with"),
    )
    .hint("something converted a part of the file: use another one, or fetch it again as binary")
}

#[cfg(test)]
mod tests {
    use super::super::flow::tests::{all, held};
    use super::{Unreturned, begins};

    #[test]
    fn what_a_terminal_added_is_taken_away_and_nothing_else() {
        let original = "SELECT 'a\rb';\r\n\n\\.\nend\r";
        let through_a_terminal = original.replace('\n', "\r\n");
        assert!(begins(through_a_terminal.as_bytes()) && !begins(b"SELECT 1;\n\r\n") && !begins(b"\n"));
        let back = all(Unreturned::new(held(through_a_terminal.as_bytes()))).unwrap();
        assert_eq!(String::from_utf8(back).unwrap(), original);
        let error = all(Unreturned::new(held(b"one\r\ntwo\r\nthree\nfour\r\n"))).unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
    }
}
