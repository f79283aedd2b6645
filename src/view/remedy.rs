//! What to do about a finding, and the command that shows it: the texts of the cause table with their slots filled in.
//!
//! Values may come from a certificate, a backend or a configuration. In commands only harmless ones are filled in,
//! quoted where a shell needs it; elsewhere they lose what could move, hide or end the text around them. Markup is for
//! the caller to escape.

mod curl;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use crate::target::{NameSource, Target, VerifiedName};
use crate::verdict::{Code, Facts, Finding, Side, Slot, Step, Words};
use crate::words::{self, one_line};

/// The texts of a cause or notice, with what is known for their slots. A text without a value for one of its slots is not
/// shown: nobody can do anything with a gap.
#[derive(Clone, Copy, Debug)]
pub struct Remedy<'a> {
    words: &'static Words,
    /// `None`: the example of the documentation.
    values: Option<Values<'a>>,
}

#[derive(Clone, Copy, Debug)]
struct Values<'a> {
    facts: &'a Facts,
    target: &'a Target,
    address: Option<IpAddr>,
}

impl<'a> Remedy<'a> {
    /// For a finding of a probe of `target` that connected, or tried to, to `address`.
    #[must_use]
    pub fn of<C: Copy + Into<Code>>(finding: &'a Finding<C>, target: &'a Target, address: Option<SocketAddr>) -> Self {
        let values = Values { facts: &finding.facts, target, address: address.map(|to| to.ip()) };
        Self { words: finding.words(), values: Some(values) }
    }

    /// For the server that the documentation takes as its example.
    #[must_use]
    pub fn example(words: &'static Words) -> Self {
        Self { words, values: None }
    }

    /// What to do, in the order in which to try it. When more than one side may have to act, each step begins with its
    /// side. Code stands between backticks.
    #[must_use]
    pub fn steps(&self) -> Vec<String> {
        let steps: Vec<(Side, String)> = self.fitting().collect();
        let sides_differ = steps.iter().any(|(side, _)| *side != self.words.side);
        steps
            .into_iter()
            .map(|(side, text)| if sides_differ { format!("{}: {text}", name(side)) } else { text })
            .collect()
    }

    /// The first thing to do, for where the cause's side stands beside it already.
    #[must_use]
    pub fn first_step(&self) -> Option<String> {
        self.fitting().find(|(side, _)| *side == self.words.side).map(|(_, text)| text)
    }

    /// What the cause's own side can do first whatever the row: nothing of a row is named.
    #[must_use]
    pub fn first_step_in_general(words: &Words) -> Option<String> {
        let step = words.remedy.iter().find(|step| step.side == words.side)?;
        Some(step.general.map_or_else(|| unnamed(step.text), str::to_owned))
    }

    /// The steps that say something here: each one's side and text.
    fn fitting(&self) -> impl Iterator<Item = (Side, String)> {
        self.words.remedy.iter().filter_map(|step| Some((step.side, self.text(step)?)))
    }

    /// For a target that stands in no configuration, there is nothing to change in one.
    fn text(&self, step: &'static Step) -> Option<String> {
        let alone = self.values.as_ref().is_some_and(|values| values.target.pool.is_empty());
        if !alone {
            return self.filled_or_general(step);
        }
        let is_of_settings =
            step.side == Side::Gateway || step.text.contains("{setting}") || step.text.contains("{pool}");
        match step.alone {
            Some(alone) => self.filled(alone),
            None if is_of_settings => None,
            None => self.filled_or_general(step),
        }
    }

    fn filled_or_general(&self, step: &'static Step) -> Option<String> {
        let filled = self.filled(step.text).or_else(|| step.general.map(str::to_owned));
        filled.or_else(|| self.filled(&unnamed(step.text)))
    }

    /// The shell command that shows the same; `None` too when a value of it is not known, or is none for a shell.
    #[must_use]
    pub fn reproduce(&self) -> Option<String> {
        let mut command = String::new();
        self.fill(self.words.reproduce?, Place::Code, &mut command)?;
        Some(command)
    }

    fn filled(&self, template: &str) -> Option<String> {
        let mut text = String::with_capacity(template.len());
        for (index, part) in template.split('`').enumerate() {
            if index > 0 {
                text.push('`');
            }
            let is_name = next_slot(part).is_some_and(|(before, _, after)| before.is_empty() && after.is_empty());
            let place = match index % 2 {
                0 => Place::Sentence,
                _ if is_name => Place::Name,
                _ => Place::Code,
            };
            self.fill(part, place, &mut text)?;
        }
        Some(text)
    }

    fn fill(&self, template: &str, place: Place, text: &mut String) -> Option<()> {
        let mut rest = template;
        while let Some((before, slot, after)) = next_slot(rest) {
            text.push_str(before);
            text.push_str(&self.value(slot, place)?);
            rest = after;
        }
        text.push_str(rest);
        Some(())
    }

    fn value(&self, slot: Slot, place: Place) -> Option<String> {
        let value = match &self.values {
            Some(values) => values.get(slot),
            None => Some(slot.example().to_owned()),
        };
        match slot {
            // An address is never sent as SNI.
            Slot::Servername if self.is_for_an_address() => return Some("-noservername".to_owned()),
            Slot::CaFile if value.is_none() => return Some(String::new()),
            _ => {}
        }
        match place {
            Place::Sentence => Some(plain(&value?)),
            Place::Name => value.filter(|value| is_harmless(value)),
            Place::Code => shell_word(&value?).map(|word| self.with_options(slot, &word)),
        }
    }

    /// A value as it stands in a command, with the options that belong to it.
    fn with_options(&self, slot: Slot, word: &str) -> String {
        let request = self.values.as_ref().and_then(|values| values.target.probe.request.as_ref());
        match request.filter(|_| slot == Slot::Url) {
            Some(request) => {
                let (options, missing) = curl::options(&request.ask);
                format!("{options}{word}{missing}")
            }
            None => format!("{}{word}", self.option(slot)),
        }
    }

    /// What stands before a value that is an option's argument.
    fn option(&self, slot: Slot) -> &'static str {
        match slot {
            Slot::Servername => "-servername ",
            Slot::CheckName if self.is_for_an_address() => "-checkip ",
            Slot::CheckName => "-checkhost ",
            Slot::CaFile => " -CAfile ",
            _ => "",
        }
    }

    fn is_for_an_address(&self) -> bool {
        let target = self.values.as_ref().map(|values| values.target);
        matches!(target.and_then(Target::verified_name), Some(VerifiedName::Ip(_)))
    }
}

impl Values<'_> {
    /// What the finding says, else what the row says.
    fn get(&self, slot: Slot) -> Option<String> {
        let Self { facts, target, address: _ } = self;
        facts.get(slot).map(str::to_owned).or_else(|| match slot {
            Slot::Server => Some(target.server.to_string()),
            Slot::Address => Some(self.address().map_or_else(|| target.server.to_string(), |ip| ip.to_string())),
            Slot::Port => Some(target.port().to_string()),
            Slot::Endpoint => Some(self.endpoint()),
            Slot::Pool => written(&target.pool),
            Slot::Setting => written(&target.setting),
            Slot::Host => match &target.probe.request {
                Some(request) => Some(request.host.to_string()),
                None => self.name(),
            },
            Slot::Path => target.probe.request.as_ref().map(|request| request.ask.path.to_string()),
            Slot::Url => Some(self.url()),
            Slot::Name | Slot::Servername | Slot::CheckName => self.name(),
            Slot::NameSource => self.name_source(),
            Slot::ProbeTimeout => Some(words::setting(target.probe.timeout)),
            Slot::AltName => target.verified_name().map(|name| match name {
                VerifiedName::Dns(name) => format!("DNS:{name}"),
                VerifiedName::Ip(address) => format!("IP:{address}"),
            }),
            Slot::RootFile => target.probe.tls.as_ref().and_then(|tls| tls.trust.file(0)).map(str::to_owned),
            Slot::CaFile => self.get(Slot::RootFile),
            Slot::ListFile => {
                target.probe.tls.as_ref().and_then(|tls| tls.trust.list_file(|_| true)).map(str::to_owned)
            }
            Slot::ClientFile => self.client_files().map(|[certificate, _]| certificate.to_owned()),
            Slot::ClientKeyFile => self.client_files().map(|[_, private_key]| private_key.to_owned()),
            Slot::Subject
            | Slot::Issuer
            | Slot::Serial
            | Slot::Fingerprint
            | Slot::NotBefore
            | Slot::NotAfter
            | Slot::IssuerUrl
            | Slot::Expected
            | Slot::Received
            | Slot::Alert => None,
        })
    }

    fn address(&self) -> Option<IpAddr> {
        let at_fault = self.facts.get(Slot::Address).and_then(|address| address.parse().ok());
        at_fault.or(self.address).or_else(|| self.target.server.parse().ok())
    }

    fn endpoint(&self) -> String {
        let host = self.address().map_or_else(|| self.target.server.to_string(), |ip| ip.to_string());
        words::endpoint(&host, self.target.port())
    }

    /// As the probe asks; a protocol without requests is asked for its front page.
    fn url(&self) -> String {
        let path = self.target.probe.request.as_ref().map_or("/", |request| &*request.ask.path);
        match (self.target.verified_name(), &self.target.probe.request) {
            (Some(name), _) => format!("https://{}{path}", words::endpoint(&name.to_string(), self.target.port())),
            (None, Some(_)) => format!("http://{}{path}", self.endpoint()),
            (None, None) => format!("telnet://{}", self.endpoint()),
        }
    }

    fn client_files(&self) -> Option<[&str; 2]> {
        self.target.probe.tls.as_ref()?.client_certificate.as_ref()?.files()
    }

    fn name(&self) -> Option<String> {
        self.target.verified_name().map(ToString::to_string)
    }

    fn name_source(&self) -> Option<String> {
        Some(name_source(self.target.probe.tls.as_ref()?.name_source, self.target).into_owned())
    }
}

/// Which key of the configuration a name came from, in words.
pub(super) fn name_source(source: NameSource, target: &Target) -> Cow<'static, str> {
    let Target { pool, setting, .. } = target;
    match source {
        NameSource::SniName if pool.is_empty() => Cow::Borrowed("the flag --sni"),
        NameSource::ProbeHost | NameSource::SettingHostName if pool.is_empty() => Cow::Borrowed("the flag --host"),
        NameSource::SniName => Cow::Owned(format!("sni_name of the backend setting {setting}")),
        NameSource::ProbeHost => Cow::Borrowed("host of the probe"),
        NameSource::SettingHostName => Cow::Owned(format!("host_name of the backend setting {setting}")),
        NameSource::Server if pool.is_empty() => Cow::Borrowed("the target as it was written"),
        NameSource::Server => Cow::Owned(format!("the server's own name in the pool {pool}")),
    }
}

/// Without the names of pool and setting: they follow the word for it, and can go.
fn unnamed(text: &str) -> String {
    text.replace(" `{setting}`", "").replace(" `{pool}`", "")
}

/// A name; a target of no configuration has none.
fn written(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}

/// Where a value is to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Sentence,
    /// Alone between backticks: no word of a command, so it needs no quotes.
    Name,
    Code,
}

/// What stands before the next slot, the slot, and what stands behind it.
fn next_slot(template: &str) -> Option<(&str, Slot, &str)> {
    template.match_indices('{').find_map(|(start, _)| {
        let (key, after) = template[start + 1..].split_once('}')?;
        Some((&template[..start], Slot::parse(key)?, after))
    })
}

/// As a step begins with it.
fn name(side: Side) -> &'static str {
    match side {
        Side::Network => "Network",
        Side::Gateway => "Gateway",
        Side::Server => "Server",
        Side::Exporter => "Exporter",
    }
}

/// A value within a sentence: in one line, and nothing that ends code or turns the direction of writing.
fn plain(value: &str) -> String {
    one_line(value).replace('`', "'")
}

/// A value as one word of a shell's command, if it consists of nothing but what is harmless there.
pub(super) fn shell_word(value: &str) -> Option<String> {
    let is_bare = |character: char| character.is_ascii_alphanumeric() || "-._:/@%+=,".contains(character);
    is_harmless(value).then(|| if value.chars().all(is_bare) { value.to_owned() } else { format!("'{value}'") })
}

/// Whether a value may stand in code: between single quotes nothing in it means anything, and it is no option.
fn is_harmless(value: &str) -> bool {
    let is_quotable = |character: char| character.is_alphanumeric() || "-._:/@%+=,[]?&~#() *;".contains(character);
    !value.is_empty() && !value.starts_with(['-', '+', '@']) && value.chars().all(is_quotable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_values_become_words_of_a_command() {
        fn check(value: &str, expected: Option<&str>) {
            assert_eq!(shell_word(value).as_deref(), expected, "{value:?}");
        }
        check("app.example.com", Some("app.example.com"));
        check("[2001:db8::7]:443", Some("'[2001:db8::7]:443'"));
        check("http://10.0.0.4:80/a?b=c&d=e", Some("'http://10.0.0.4:80/a?b=c&d=e'"));
        check("my setting", Some("'my setting'"));
        check("größe", Some("'größe'"));
        check("a'b", None);
        check("a\"b", None);
        check("$(reboot)", None);
        check("/ok?filter=[1,2]&x=y", Some("'/ok?filter=[1,2]&x=y'"));
        check("`reboot`", None);
        check("a\nb", None);
        check("a\\b", None);
        check("a\u{202e}b", None);
        check("<b>", None);
        check("-oProxyCommand=x", None);
        check("@resolver", None);
        check("", None);
    }

    #[test]
    fn a_sentence_keeps_its_shape_whatever_is_put_into_it() {
        fn check(value: &str, expected: &str) {
            assert_eq!(plain(value), expected);
        }
        check("CN=app.example.com,O=Größe", "CN=app.example.com,O=Größe");
        check("a\nb\r\u{0}c\u{1b}[31m", "a b \u{fffd}c\u{fffd}[31m");
        check("`rm`", "'rm'");
        check("a\u{202e}b\u{2028}", "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn only_known_slots_are_slots() {
        assert_eq!(next_slot("a {port} b"), Some(("a ", Slot::Port, " b")));
        assert_eq!(next_slot("awk {print} {port}"), Some(("awk {print} ", Slot::Port, "")));
        assert_eq!(next_slot("{ {port"), None);
        assert_eq!(next_slot(""), None);
    }
}
