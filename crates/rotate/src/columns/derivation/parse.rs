//! From text to a key format.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::KeyFormat;
use super::kdf::{Hash, Kdf, Salt, Work};
use crate::columns::misread::Misread;
use crate::columns::scan::{Scanner, Token};

/// Reads a whole expression.
pub(super) fn key_format(text: &str) -> Result<KeyFormat, Misread> {
    let mut scanner = Scanner::new("key format", text)?;
    let Token::Word(word) = scanner.peek().clone() else { return Err(scanner.unexpected("a key format").hint(KNOWN)) };
    let place = scanner.place();
    let simple = [KeyFormat::Hex, KeyFormat::Base64, KeyFormat::Raw, KeyFormat::Sha256, KeyFormat::HexOrSha256];
    let format = match simple.into_iter().find(|format| format.to_string() == word) {
        Some(format) => {
            scanner.advance()?;
            format
        }
        None if word == "scrypt" || word == "pbkdf2" => password(&mut scanner, &word)?,
        // Not repeated, however short: it may be the key.
        None => return Err(scanner.misread(place, "this is no key format").hint(KNOWN)),
    };
    if *scanner.peek() == Token::End { Ok(format) } else { Err(scanner.unexpected("the end")) }
}

fn password(scanner: &mut Scanner<'_>, function: &str) -> Result<KeyFormat, Misread> {
    let start = scanner.place().start;
    scanner.advance()?;
    let parameters = if scanner.take('(')? { parameters(scanner)? } else { Parameters::default() };
    let (work, wrong) = match function {
        "scrypt" => (parameters.scrypt(), "scrypt needs N (a power of 2), r and p, and 1 GiB of memory at most"),
        _ => (parameters.pbkdf2(), "pbkdf2 needs hash and iterations"),
    };
    let hint = match function {
        "scrypt" => "scrypt(N=16384, r=8, p=1) is what Node's scrypt does unless told otherwise",
        _ => "write pbkdf2(hash=sha256, iterations=100000), with the numbers of the application",
    };
    let work = work.ok_or_else(|| scanner.misread(start..scanner.place().start, wrong).hint(hint))?;
    Ok(KeyFormat::Password(Kdf { work, salt: parameters.salt }))
}

#[derive(Default)]
struct Parameters {
    numbers: Vec<(String, u32)>,
    hash: Option<Hash>,
    salt: Option<Salt>,
}

fn parameters(scanner: &mut Scanner<'_>) -> Result<Parameters, Misread> {
    let mut parameters = Parameters::default();
    loop {
        let Token::Word(name) = scanner.peek().clone() else { return Err(scanner.unexpected("a parameter")) };
        let place = scanner.place();
        scanner.advance()?;
        scanner.expect('=')?;
        parameters.read(scanner, name, place)?;
        if !scanner.take(',')? {
            scanner.expect(')')?;
            return Ok(parameters);
        }
    }
}

impl Parameters {
    fn read(&mut self, scanner: &mut Scanner<'_>, name: String, place: Range<usize>) -> Result<(), Misread> {
        let twice = match name.as_str() {
            "N" | "r" | "p" | "iterations" => {
                let twice = self.number(&name).is_some();
                self.numbers.push((name, scanner.number("a number")?));
                twice
            }
            "hash" => self.hash.replace(hash(scanner)?).is_some(),
            "salt" => self.salt.replace(salt(scanner)?).is_some(),
            _ => {
                return Err(scanner
                    .misread(place, "unknown parameter")
                    .hint("known are N, r, p, hash, iterations, salt"));
            }
        };
        if twice { Err(scanner.misread(place, "this parameter stands here a second time")) } else { Ok(()) }
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.numbers.iter().find(|(found, _)| found == name).map(|(_, number)| *number)
    }

    fn scrypt(&self) -> Option<Work> {
        let (n, r, p) = (self.number("N")?, self.number("r")?, self.number("p")?);
        let memory = (128 * u64::from(n)).saturating_mul(u64::from(r));
        let fits = n > 1 && n.is_power_of_two() && r > 0 && (1..=64).contains(&p) && memory <= 1 << 30;
        let alone = self.numbers.len() == 3 && self.hash.is_none();
        (fits && alone).then(|| Work::Scrypt { log_n: n.trailing_zeros() as u8, r, p })
    }

    fn pbkdf2(&self) -> Option<Work> {
        let (hash, iterations) = (self.hash?, self.number("iterations").filter(|number| *number > 0)?);
        (self.numbers.len() == 1).then_some(Work::Pbkdf2 { hash, iterations })
    }
}

fn hash(scanner: &mut Scanner<'_>) -> Result<Hash, Misread> {
    let found = Hash::ALL.into_iter().find(|hash| scanner.sees(hash.name()));
    let found = found.ok_or_else(|| scanner.unexpected("sha256 or sha512"))?;
    scanner.advance()?;
    Ok(found)
}

fn salt(scanner: &mut Scanner<'_>) -> Result<Salt, Misread> {
    let codec = match scanner.peek() {
        Token::Word(word) if word == "hex" || word == "base64" => Some(word.clone()),
        Token::Quoted(_) => None,
        _ => {
            return Err(scanner
                .unexpected("a salt")
                .hint("write salt=\"text\", salt=hex(\"…\") or salt=base64(\"…\")"));
        }
    };
    let Some(codec) = codec else { return Ok(Salt::Text(quoted(scanner)?.0)) };
    scanner.advance()?;
    scanner.expect('(')?;
    let (text, place) = quoted(scanner)?;
    scanner.expect(')')?;
    let bytes = if codec == "hex" { hex::decode(text).ok() } else { STANDARD.decode(text).ok() };
    bytes.map(Salt::Bytes).ok_or_else(|| scanner.misread(place, format!("this is not {codec}")))
}

fn quoted(scanner: &mut Scanner<'_>) -> Result<(String, Range<usize>), Misread> {
    match scanner.peek() {
        Token::Quoted(_) => {}
        _ => return Err(scanner.unexpected("a text in quotes")),
    }
    match scanner.advance()? {
        (Token::Quoted(text), place) => Ok((text, place)),
        (_, place) => Err(scanner.misread(place, "expected a text in quotes")),
    }
}

const KNOWN: &str = "known are hex, base64, raw, sha256, hex-or-sha256, scrypt(…) and pbkdf2(…)";
