//! A JSON document that was not there before.

use super::string::quoted;

/// A document with these texts at these paths, without spaces, in this order.
pub(super) fn document(members: &[(&[String], &str)]) -> String {
    if let [(path, text)] = members
        && path.is_empty()
    {
        return quoted(text);
    }
    let mut names: Vec<&String> = Vec::new();
    for name in members.iter().filter_map(|(path, _)| path.first()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let objects = names.iter().map(|name| format!("{}:{}", quoted(name), document(&under(name, members))));
    format!("{{{}}}", objects.collect::<Vec<_>>().join(","))
}

/// What lies under a name, each path without it.
fn under<'m>(name: &str, members: &[(&'m [String], &'m str)]) -> Vec<(&'m [String], &'m str)> {
    let inside = members.iter().filter(|(path, _)| path.first().is_some_and(|first| first == name));
    inside.map(|(path, text)| (&path[1..], *text)).collect()
}
