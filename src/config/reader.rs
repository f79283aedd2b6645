//! What every configuration file is read with: the report of what is wrong with it, and the files that it names. A secret
//! stands in the file itself or in one of its own; no message repeats it.

use std::path::Path;

use super::decode::{Field, Located, Section, text};
use super::material::Material;
use super::report::{Place, Report};
use super::value::quote;
use super::yaml::{Entry, KeyPath, Node, Value};
use super::{NamedFile, Problem, Problems, yaml};

/// Reads one file; what is wrong is kept, and reading goes on.
pub(super) struct Reader {
    pub(super) report: Report,
    pub(super) material: Material,
}

/// The problem is among the report's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported;

/// What stands at `key`, or in the file that it names.
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) place: Place,
    pub(super) key: &'static str,
}

/// A value with the warnings about it, or all that is wrong.
pub(super) type Checked<T> = Result<(T, Vec<Problem>), Problems>;

impl Reader {
    /// For the file at `path`. Names in it are relative to its directory.
    pub(super) fn new(path: &Path) -> Self {
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        Self { report: Report::new(path.display().to_string()), material: Material::new(directory) }
    }

    /// Reads the file at `path`, a mapping of `known` keys, as `read` understands it. Blocks.
    pub(super) fn file<T>(
        &mut self,
        path: &Path,
        known: &'static [&'static str],
        read: impl FnOnce(&mut Self, &Section<'_>) -> T,
    ) -> Option<T> {
        let content = self.material.read_path(path.to_owned());
        let text = utf8(content, &mut self.report)?;
        self.text(&text, known, read)
    }

    /// As [`Reader::file`], of its text. With nothing in it, it is a mapping with no key.
    pub(super) fn text<T>(
        &mut self,
        text: &str,
        known: &'static [&'static str],
        read: impl FnOnce(&mut Self, &Section<'_>) -> T,
    ) -> Option<T> {
        let mut root = yaml::parse(text, &mut self.report)?;
        if let Value::Null = root.value {
            root.value = Value::Map(Vec::new());
        }
        let section = Section::open(&root, &KeyPath::Root, known, &mut self.report)?;
        Some(read(self, &section))
    }

    /// The mapping at `key`, as `read` understands it; `None` when there is none, or it is no mapping.
    pub(super) fn section<T>(
        &mut self,
        parent: &Section<'_>,
        key: &str,
        known: &'static [&'static str],
        read: impl FnOnce(&mut Self, &Section<'_>) -> T,
    ) -> Option<T> {
        let node = parent.node(key).filter(|node| !matches!(node.value, Value::Null))?;
        let path = parent.path_of(key);
        let section = Section::open(node, &path, known, &mut self.report)?;
        Some(read(self, &section))
    }

    /// The entries at `key`, a mapping of names that are free; `what` says of what to what.
    pub(super) fn entries<'a>(&mut self, section: &Section<'a>, key: &str, what: &str) -> &'a [Entry] {
        match section.node(key) {
            None | Some(Node { value: Value::Null, .. }) => &[],
            Some(Node { value: Value::Map(entries), .. }) => entries,
            Some(node) => {
                self.wrong(section, node.place, key, format!("expected a mapping of {what}"));
                &[]
            }
        }
    }

    /// What was `read` with the warnings, or all that is wrong; and the files that were looked at, in either case.
    pub(super) fn finish<T>(self, read: Option<T>) -> (Checked<T>, Vec<NamedFile>) {
        let Self { mut report, material } = self;
        let (files, fallback) = material.finish();
        if let (Some(message), Some(_)) = (fallback, &read) {
            report.warning(None, "", message);
        }
        // `None` only with an error in the report.
        let outcome = match (report.finish(), read) {
            (Err(problems), _) => Err(problems),
            (Ok(warnings), Some(read)) => Ok((read, warnings)),
            (Ok(warnings), None) => Err(Problems::new(warnings)),
        };
        (outcome, files)
    }

    /// What stands at the first key, or is `read` from the content of the file that the second one names. An empty text
    /// counts as absent, as in Prometheus.
    pub(super) fn either<T: From<String>>(
        &mut self,
        section: &Section<'_>,
        [inline, file]: [&'static str; 2],
        read: impl FnOnce(Vec<u8>) -> Result<T, String>,
    ) -> Result<Option<Given<T>>, Reported> {
        let mut given = |key| match section.field(key, &mut self.report, |node| text(node).map(str::to_owned)) {
            Field::Wrong => Err(Reported),
            Field::Given(located) if !located.value.is_empty() => Ok(Some(located)),
            Field::Given(_) | Field::Absent => Ok(None),
        };
        let (here, there) = (given(inline), given(file));
        match (here?, there?) {
            (None, None) => Ok(None),
            (Some(Located { value, place }), None) => Ok(Some(Given { value: value.into(), place, key: inline })),
            (None, Some(Located { value, place })) => match self.material.read(&value).and_then(read) {
                Ok(value) => Ok(Some(Given { value, place, key: file })),
                Err(why) => Err(self.wrong(section, place, file, format!("cannot read {}: {why}", quote(&value)))),
            },
            (Some(_), Some(Located { value: _, place })) => {
                Err(self.wrong(section, place, file, format!("there is {inline} already; keep one of them")))
            }
        }
    }

    /// A secret in one line: here, or in a file of its own, there without the white space around it.
    pub(super) fn secret(
        &mut self,
        section: &Section<'_>,
        keys: [&'static str; 2],
    ) -> Result<Option<String>, Reported> {
        Ok(self.either(section, keys, trimmed)?.map(|given| given.value))
    }

    /// Says what is wrong with a key of `section`.
    pub(super) fn wrong(
        &mut self,
        section: &Section<'_>,
        place: Place,
        key: &str,
        message: impl Into<String>,
    ) -> Reported {
        self.report.error(Some(place), section.path_of(key), message);
        Reported
    }
}

/// The text of a configuration file; `None`, reported, when there is none.
pub(super) fn utf8(content: Result<Vec<u8>, String>, report: &mut Report) -> Option<String> {
    let bytes = content.map_err(|why| report.error(None, "", format!("cannot read the configuration: {why}"))).ok()?;
    let error = match String::from_utf8(bytes) {
        Ok(text) => return Some(text),
        Err(error) => error,
    };
    let right = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).into_owned();
    let (lines, last) = (right.matches('\n').count(), right.rsplit('\n').next().unwrap_or_default().chars().count());
    let number = |value| u32::try_from(value).unwrap_or(u32::MAX).saturating_add(1);
    let what = match error.as_bytes() {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "this is UTF-16",
        _ => "this is not UTF-8",
    };
    let place = Place { line: number(lines), column: number(last) };
    report.error(Some(place), "", format!("{what}; save the file as UTF-8"));
    None
}

/// A file's content as text, without the white space around it.
pub(super) fn trimmed(content: Vec<u8>) -> Result<String, String> {
    let text = String::from_utf8(content).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(text.trim().to_owned())
}
