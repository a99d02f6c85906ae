//! Everything wrong with a configuration, collected first and shown together, each problem at its line and column.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Range;

use lifeboat_core::{Error, Kind};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};

use super::origin::Origin;
use super::password::{mask, passwords_in};
use super::setting::Misfit;

/// One thing to correct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where it is.
    pub(crate) place: Place,
    /// What is wrong.
    pub(crate) misfit: Misfit,
}

/// Where a problem is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// These bytes of the file.
    File(Range<usize>),
    /// An option of the command line or an environment variable.
    Named(&'static str),
    /// Something that is missing altogether.
    Nowhere,
}

impl Place {
    /// Where a value stands.
    pub(crate) fn of(origin: &Origin) -> Self {
        match origin {
            Origin::File { span, .. } => Self::File(span.clone()),
            Origin::Flag(name) | Origin::Env(name) => Self::Named(name),
            Origin::Default => Self::Nowhere,
        }
    }
}

/// The problems of one configuration, with the file they are in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems {
    path: String,
    text: String,
    list: Vec<Problem>,
}

impl Problems {
    /// No problems yet with the file at `path`, whose content is `text`.
    pub(crate) fn in_file(path: String, text: String) -> Self {
        Self { path, text, list: Vec::new() }
    }

    /// Adds one.
    pub(crate) fn add(&mut self, place: Place, misfit: Misfit) {
        self.list.push(Problem { place, misfit });
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// In the file's order, what stands nowhere last.
    pub(crate) fn sorted(mut self) -> Self {
        self.list.sort_by_key(|problem| match &problem.place {
            Place::Named(_) => (0, 0),
            Place::File(span) => (1, span.start),
            Place::Nowhere => (2, 0),
        });
        self
    }

    /// Each problem on one line, as `path:line:column: message`, for records and logs.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.list.iter().map(|problem| self.line(problem)).collect()
    }

    fn line(&self, problem: &Problem) -> String {
        let message = &problem.misfit.message;
        match &problem.place {
            Place::File(span) => {
                let (line, column) = position(&self.text, span.start);
                format!("{}:{line}:{column}: {message}", self.path)
            }
            Place::Named(name) => format!("{name}: {message}"),
            Place::Nowhere => message.clone(),
        }
    }

    /// The problems as text for people, with the lines of the file they are in. Secrets in those lines are masked.
    pub(crate) fn render(&self, colour: bool) -> String {
        let mut theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        theme.characters.error = "✗".into();
        let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(100).with_context_lines(1);
        let source = NamedSource::new(&self.path, self.masked());
        let mut text = String::new();
        for problem in &self.list {
            let shown = Shown { line: self.line(problem), problem, source: &source };
            // Writing to a String cannot fail; should rendering itself, the plain line is left.
            if handler.render_report(&mut text, &shown).is_err() {
                text.push_str(&shown.line);
            }
            text.push('\n');
        }
        text
    }

    fn masked(&self) -> String {
        let mut hidden = passwords_in(&self.text);
        hidden.extend(self.list.iter().filter(|problem| problem.misfit.secret).filter_map(
            |problem| match &problem.place {
                Place::File(span) => Some(span.clone()),
                _ => None,
            },
        ));
        mask(&self.text, &hidden)
    }
}

/// Line and column, both from 1, of a byte of the text. The column counts characters.
pub(crate) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("; "))
    }
}

impl StdError for Problems {}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        if let [Problem { place: Place::Named(name), misfit }] = problems.list.as_slice()
            && misfit.of_arguments
        {
            let error = Self::new(Kind::Usage, format!("use {name}: {}", misfit.message));
            return misfit.help.iter().fold(error, |error, help| error.hint(help));
        }
        let count = problems.len();
        let what = if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") };
        Self::new(Kind::Config, format!("read the configuration: {what}")).caused_by(problems)
    }
}

#[derive(Debug)]
struct Shown<'a> {
    line: String,
    problem: &'a Problem,
    source: &'a NamedSource<String>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl StdError for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.misfit.help.as_ref().map(|help| Box::new(help) as _)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        matches!(self.problem.place, Place::File(_)).then_some(self.source as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let Place::File(span) = &self.problem.place else { return None };
        Some(Box::new([LabeledSpan::new(None, span.start, span.len())].into_iter()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Misfit, Place, Problems, position};

    #[test]
    fn positions_count_lines_and_characters() {
        assert_eq!(position("a\nbé c", 6), (2, 4));
        assert_eq!(position("", 0), (1, 1));
    }

    #[test]
    fn rendering_points_at_the_place_and_masks_secrets() {
        let text = "store = \"x\"\nkey = \"hunter2\"\nurl = \"postgres://a:hunter3@h/d\"\n";
        let mut problems = Problems::in_file("lifeboat.toml".to_owned(), text.to_owned());
        problems.add(Place::File(18..27), Misfit::new("a secret stands here").secret());
        problems.add(Place::File(28..31), Misfit::new("wrong").help("write it right"));
        let shown = problems.render(false);
        assert!(shown.contains("lifeboat.toml:2:7: a secret stands here"), "{shown}");
        assert!(shown.contains("lifeboat.toml:3:1: wrong") && shown.contains("write it right"), "{shown}");
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
