//! The two texts in which a connection is written, split into parameters: `postgresql://…` and `key=value …`.
//!
//! No error here quotes the text: a stray character in front of it may be all that makes it a password.

use lifeboat_core::{Error, Kind, Result};

/// The parameters of a connection text in their order; a bare word is the name of a database, as for `psql`.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>> {
    let text = text.trim();
    for scheme in ["postgresql://", "postgres://"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            return uri_pairs(rest);
        }
    }
    if text.contains("://") {
        return Err(refused("the scheme is not postgresql://"));
    }
    if !text.is_empty() && !text.contains(|c: char| c == '=' || c.is_whitespace()) {
        return Ok(vec![("dbname".into(), text.into())]);
    }
    keyword_pairs(text)
}

fn uri_pairs(rest: &str) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (authority, dbname) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
    let (login, hosts) = authority.split_once('@').map_or(("", authority), |(login, hosts)| (login, hosts));
    if hosts.contains('@') {
        return Err(refused("there are two @ before the host"));
    }
    let (user, password) = login.split_once(':').map_or((login, ""), |(user, password)| (user, password));
    let (hosts, ports) = split_hosts(hosts)?;
    for (key, value) in [("user", user), ("password", password), ("host", &hosts), ("port", &ports), ("dbname", dbname)]
    {
        if !value.is_empty() {
            pairs.push((key.to_owned(), decode(value)?));
        }
    }
    for pair in query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or_else(|| refused("a parameter has no ="))?;
        let (key, value) = (decode(key)?, decode(value)?);
        match (key.as_str(), value.as_str()) {
            ("ssl", "true") => pairs.push(("sslmode".into(), "require".into())),
            _ => pairs.push((key, value)),
        }
    }
    Ok(pairs)
}

/// Splits `a:1,[::1]:2` into the lists `a,::1` and `1,2`; the second is empty when no host has a port.
fn split_hosts(text: &str) -> Result<(String, String)> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for item in text.split(',') {
        let (host, rest) = match item.strip_prefix('[') {
            Some(v6) => v6.split_once(']').ok_or_else(|| refused("a [ is not closed"))?,
            None => item.find(':').map_or((item, ""), |at| item.split_at(at)),
        };
        if !rest.is_empty() && !rest.starts_with(':') {
            return Err(refused("something stands between ] and the port"));
        }
        hosts.push(host);
        ports.push(rest.trim_start_matches(':'));
    }
    let ports = if ports.iter().all(|port| port.is_empty()) { String::new() } else { ports.join(",") };
    Ok((hosts.join(","), ports))
}

fn decode(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = *first == b'%';
        bytes.push(if escaped { escaped_byte(tail).ok_or_else(bad_escape)? } else { *first });
        rest = if escaped { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).map_err(|_| refused("a percent escape is not UTF-8"))
}

/// The byte that two digits stand for; no parameter may hold a zero byte.
fn escaped_byte(text: &[u8]) -> Option<u8> {
    let mut byte = [0];
    hex::decode_to_slice(text.get(..2)?, &mut byte).ok()?;
    (byte[0] != 0).then_some(byte[0])
}

fn keyword_pairs(text: &str) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, tail) = rest.split_once('=').ok_or_else(|| refused("a word has no ="))?;
        let key = key.trim_end();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(refused("a word has no ="));
        }
        let (value, tail) = take_value(tail.trim_start())?;
        pairs.push((key.to_owned(), value));
        rest = tail.trim_start();
    }
    Ok(pairs)
}

/// One value, quoted or up to the next blank; a backslash takes the character after it as it is.
fn take_value(text: &str) -> Result<(String, &str)> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut chars = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            c if c.is_whitespace() && !quoted => return Ok((value, &text[at..])),
            c => value.push(c),
        }
    }
    if quoted { Err(refused("a ' is not closed")) } else { Ok((value, "")) }
}

fn bad_escape() -> Error {
    refused("a % is not followed by two hexadecimal digits")
}

fn refused(why: &str) -> Error {
    Error::new(Kind::Config, format!("read a connection text: {why}"))
        .hint("write postgresql://user@host:5432/dbname with / : @ ? % in a password percent-encoded, or host=… user=… dbname=…")
}

#[cfg(test)]
mod tests {
    use super::pairs;

    fn read(text: &str) -> Vec<(String, String)> {
        pairs(text).unwrap()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_uri_is_split_and_decoded() {
        let text =
            "postgresql://al%40ice:p%3Aw@db1:5433,[::1],db3:5434/my%20shop?sslmode=verify-full&options=-c%20a%3Db";
        let expected = [
            ("user", "al@ice"),
            ("password", "p:w"),
            ("host", "db1,::1,db3"),
            ("port", "5433,,5434"),
            ("dbname", "my shop"),
            ("sslmode", "verify-full"),
            ("options", "-c a=b"),
        ];
        assert_eq!(read(text), owned(&expected));
    }

    #[test]
    fn a_uri_may_name_a_socket_directory() {
        let expected = [("dbname", "shop"), ("host", "/run/pg"), ("port", "5433")];
        assert_eq!(read("postgres:///shop?host=/run/pg&port=5433"), owned(&expected));
        assert_eq!(read("postgres://%2Frun%2Fpg/shop"), owned(&[("host", "/run/pg"), ("dbname", "shop")]));
    }

    #[test]
    fn key_value_quoting_is_that_of_libpq() {
        let expected = [("host", "db"), ("password", "it's a \\ pass"), ("dbname", ""), ("user", "a b")];
        assert_eq!(read(r"host = db password='it\'s a \\ pass' dbname='' user=a\ b"), owned(&expected));
    }

    #[test]
    fn a_bare_word_is_a_database() {
        assert_eq!(read("shop"), owned(&[("dbname", "shop")]));
        assert_eq!(read("  "), []);
    }

    #[test]
    fn texts_that_cannot_be_read_are_refused_without_being_quoted() {
        for text in [
            "mysql://u:S3cret@h/d",
            "postgres://u:S3cret@S3cret@h/d",
            "postgres://u:S3cret%@h/d",
            "postgres://u:S3cret%00@h/d",
            "postgres://u:S3cret@[::1/d",
            "postgres://u:S3cret@h/d?S3cret",
            "host=h password=a S3cret",
            "password='S3cret",
            "=S3cret",
        ] {
            let error = pairs(text).unwrap_err();
            assert!(!format!("{error:?}").contains("S3cret"), "{text}: {error:?}");
        }
    }
}
