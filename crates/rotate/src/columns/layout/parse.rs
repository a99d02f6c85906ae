//! From text to a layout.

use std::ops::Range;

use super::codec::Codec;
use super::rules::{self, Fault};
use super::{Content, Field, Item, Layout, Member, Output};
use crate::columns::misread::Misread;
use crate::columns::scan::{Scanner, Token};

/// Reads a whole expression.
pub(super) fn layout(text: &str) -> Result<Layout, Misread> {
    let mut parser = Parser { scanner: Scanner::new("layout", text)?, fields: Vec::new() };
    let outputs = parser.outputs()?;
    if *parser.scanner.peek() != Token::End {
        return Err(parser.scanner.unexpected("the end"));
    }
    let layout = Layout { outputs };
    rules::complete(&layout, &parser.fields).map_err(|(at, what, hint)| {
        let at = if at.is_empty() { text.len()..text.len() } else { at };
        parser.scanner.misread(at, what).hint(hint)
    })?;
    Ok(layout)
}

struct Parser<'t> {
    scanner: Scanner<'t>,
    /// Every field so far, with its place.
    fields: Vec<(Field, Range<usize>)>,
}

impl Parser<'_> {
    fn outputs(&mut self) -> Result<Vec<Output>, Misread> {
        if !self.scanner.sees("columns") {
            return Ok(vec![self.output(None)?]);
        }
        self.scanner.advance()?;
        self.scanner.expect('{')?;
        let mut outputs = Vec::new();
        loop {
            let (column, place) = self.name("the name of a column")?;
            self.scanner.expect(':')?;
            outputs.push(self.output(Some(column))?);
            if rules::doubled(&outputs).is_some() {
                return Err(self.scanner.misread(place, "this column stands here a second time"));
            }
            if !self.scanner.take(',')? {
                break;
            }
        }
        self.scanner.expect('}')?;
        Ok(outputs)
    }

    fn output(&mut self, column: Option<String>) -> Result<Output, Misread> {
        if !self.scanner.sees("bytes") {
            return Ok(Output { column, content: Content::Text, items: self.items(Content::Text)? });
        }
        self.scanner.advance()?;
        Ok(Output { column, content: Content::Bytes, items: self.in_brackets(Content::Bytes)? })
    }

    fn in_brackets(&mut self, content: Content) -> Result<Vec<Item>, Misread> {
        self.scanner.expect('(')?;
        let items = self.items(content)?;
        self.scanner.expect(')')?;
        Ok(items)
    }

    /// Items until something else comes, at least one.
    fn items(&mut self, content: Content) -> Result<Vec<Item>, Misread> {
        let (mut items, mut places) = (Vec::new(), Vec::new());
        while !matches!(self.scanner.peek(), Token::End | Token::Sign(')' | '}' | ',')) || items.is_empty() {
            let place = self.scanner.place();
            items.push(self.item(content)?);
            places.push(place);
        }
        rules::one_way(&items, content).map_err(|fault| self.fault(&places, fault))?;
        Ok(items)
    }

    fn fault(&self, places: &[Range<usize>], (at, what, hint): Fault) -> Misread {
        self.scanner.misread(places.get(at).cloned().unwrap_or_default(), what).hint(hint)
    }

    fn item(&mut self, content: Content) -> Result<Item, Misread> {
        let (word, place) = match self.scanner.peek().clone() {
            Token::Quoted(text) if text.is_empty() => {
                return Err(self.scanner.misread(self.scanner.place(), "this text is empty"));
            }
            Token::Quoted(text) => {
                self.scanner.advance()?;
                return Ok(Item::Text(text));
            }
            Token::Word(word) => (word, self.scanner.place()),
            _ => return Err(self.unknown()),
        };
        if let Some(codec) = Codec::ALL.into_iter().find(|codec| codec.name() == word) {
            self.scanner.advance()?;
            return Ok(Item::Coded(codec, self.in_brackets(Content::Bytes)?));
        }
        match word.as_str() {
            "json" => self.json(),
            "bytes" => Err(self.scanner.misread(place, "`bytes` holds all of a column").hint(BYTES)),
            word if word.starts_with("0x") => self.literal(word, content, place),
            _ => self.field(&word, content, place).map(Item::Field),
        }
    }

    fn literal(&mut self, word: &str, content: Content, place: Range<usize>) -> Result<Item, Misread> {
        let bytes = hex::decode(&word[2..]).ok().filter(|bytes| !bytes.is_empty());
        let bytes = bytes.ok_or_else(|| self.scanner.misread(place.clone(), "expected pairs of digits after 0x"))?;
        if content == Content::Text {
            return Err(self.scanner.misread(place, "a text holds no bytes").hint("write the text in quotes"));
        }
        self.scanner.advance()?;
        Ok(Item::Bytes(bytes))
    }

    fn field(&mut self, word: &str, content: Content, place: Range<usize>) -> Result<Field, Misread> {
        let field = self.known(word)?;
        self.scanner.advance()?;
        let field = if self.scanner.take('/')? { self.sized(field, &place)? } else { field };
        let wrong = match (field, content) {
            (Field::Kid, Content::Bytes) => Some(("a key id is text", "it stands outside of codecs, or in a json")),
            (Field::Kid | Field::Salt(_), Content::Text) | (_, Content::Bytes) => None,
            (_, Content::Text) => {
                Some(("these are bytes", "put them into a codec, as in hex(iv); for bytea, bytes(…)"))
            }
        };
        if let Some((what, hint)) = wrong {
            return Err(self.scanner.misread(place, format!("`{word}` cannot stand here: {what}")).hint(hint));
        }
        self.fields.push((field, place));
        Ok(field)
    }

    fn known(&self, word: &str) -> Result<Field, Misread> {
        match word {
            "iv" => Ok(Field::Iv(12)),
            "tag" => Ok(Field::Tag),
            "ct" => Ok(Field::Ct),
            "salt" => Ok(Field::Salt(None)),
            "kid" => Ok(Field::Kid),
            _ => Err(self.unknown()),
        }
    }

    /// A field whose length follows.
    fn sized(&mut self, field: Field, place: &Range<usize>) -> Result<Field, Misread> {
        let length = self.scanner.place();
        let bytes = self.scanner.number("a number of bytes")? as usize;
        match (field, bytes) {
            (Field::Iv(_), 12 | 16) => Ok(Field::Iv(bytes)),
            (Field::Iv(_), _) => Err(self.scanner.misread(length, "an IV has 12 or 16 bytes")),
            (Field::Salt(_), 1..=1024) => Ok(Field::Salt(Some(bytes))),
            (Field::Salt(_), _) => Err(self.scanner.misread(length, "a salt has 1 to 1024 bytes")),
            (Field::Tag, 16) => Ok(Field::Tag),
            (Field::Tag, _) => Err(self.scanner.misread(length, "a tag has 16 bytes")),
            _ => Err(self.scanner.misread(place.start..length.end, "only iv and salt have a length of their own")),
        }
    }

    fn json(&mut self) -> Result<Item, Misread> {
        self.scanner.advance()?;
        if *self.scanner.peek() == Token::Sign('(') {
            return Ok(Item::Json(vec![Member { path: Vec::new(), items: self.in_brackets(Content::Text)? }]));
        }
        let mut members = Vec::new();
        self.members(&[], &mut members)?;
        Ok(Item::Json(members))
    }

    fn members(&mut self, above: &[String], members: &mut Vec<Member>) -> Result<(), Misread> {
        self.scanner.expect('{')?;
        loop {
            let (path, place) = self.path(above)?;
            if *self.scanner.peek() == Token::Sign('{') {
                self.members(&path, members)?;
            } else {
                let paths: Vec<_> = members.iter().map(|member| member.path.clone()).chain([path.clone()]).collect();
                if rules::overlapping(&paths).is_some() {
                    return Err(self.scanner.misread(place, "this place, or one around it, is named a second time"));
                }
                members.push(Member { path, items: self.items(Content::Text)? });
            }
            if !self.scanner.take(',')? {
                return self.scanner.expect('}');
            }
        }
    }

    fn path(&mut self, above: &[String]) -> Result<(Vec<String>, Range<usize>), Misread> {
        let (first, mut place) = self.name("the name of a member")?;
        let mut path = [above, &[first]].concat();
        while self.scanner.take('.')? {
            let (step, end) = self.name("the name of a member")?;
            path.push(step);
            place.end = end.end;
        }
        self.scanner.expect(':')?;
        Ok((path, place))
    }

    fn name(&mut self, wanted: &str) -> Result<(String, Range<usize>), Misread> {
        match self.scanner.peek() {
            Token::Word(_) | Token::Quoted(_) => {}
            _ => return Err(self.scanner.unexpected(wanted)),
        }
        match self.scanner.advance()? {
            (Token::Word(name) | Token::Quoted(name), place) => Ok((name, place)),
            (_, place) => Err(self.scanner.misread(place, format!("expected {wanted}"))),
        }
    }

    fn unknown(&self) -> Misread {
        self.scanner.unexpected("a part of a value").hint(KNOWN)
    }
}

const KNOWN: &str = "parts are iv, tag, ct, salt, kid, texts in quotes, base64(…), base64url(…), hex(…) and json{…}; \
    around all of a column bytes(…), around several columns{…}";
const BYTES: &str = "for bytea write bytes(iv ct tag), for text base64(iv ct tag)";
