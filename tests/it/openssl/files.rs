//! Keys and certificates in files, where openssl reads them: the lab's own, and those of kinds that the lab cannot make.

use backend_health_exporter::lab::tls::{Credential, Profile};
use tempfile::TempDir;

use super::server::{openssl, run};
use crate::faults::{HOST, Secure};

/// A directory with the lab's certificates, beside the PKI that they come from.
pub(super) struct Files {
    directory: TempDir,
    pub(super) secure: Secure,
}

impl Files {
    pub(super) fn new() -> Self {
        let this = Self { directory: tempfile::tempdir().expect("a temporary directory"), secure: Secure::new() };
        this.write("root.pem", &this.secure.pki.root.pem());
        this.write("strange-root.pem", &this.secure.pki.strange_root.pem());
        this.write("intermediate.pem", &this.secure.pki.intermediate.pem());
        this.write("intermediate.key", &this.secure.pki.intermediate.key_pem());
        // Without it openssl adds extensions of its own.
        this.write("empty.cnf", "[req]\ndistinguished_name = none\n[none]\n");
        this
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().expect("a path in UTF-8").to_owned()
    }

    /// The path of what was written.
    pub(super) fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("the directory can be written to");
        path
    }

    /// The arguments of a server with this certificate and its key, which sends `others` after it.
    pub(super) fn serving(&self, name: &str, first: &Credential, others: &[&Credential]) -> Vec<String> {
        let certificate = self.write(&format!("{name}.pem"), &first.pem());
        let key = self.write(&format!("{name}.key"), &first.key_pem());
        let others: String = others.iter().map(|other| other.pem()).collect();
        self.serving_files(name, &certificate, &key, &others)
    }

    /// The same with the intermediate, which issued it.
    pub(super) fn serving_issued(&self, name: &str, profile: &Profile) -> Vec<String> {
        let intermediate = &self.secure.pki.intermediate;
        self.serving(name, &intermediate.issue(profile).expect("a certificate"), &[intermediate])
    }

    /// The usual server: a P-256 key, the leaf and the intermediate.
    pub(super) fn usual(&self) -> Vec<String> {
        self.serving_issued("usual", &Profile::server(HOST))
    }

    /// A leaf with a key that `openssl genpkey` makes with these arguments, issued by the intermediate, which is sent.
    pub(super) fn with_key(&self, name: &str, genpkey: &[&str]) -> Vec<String> {
        self.with_key_signed(name, genpkey, "-sha256")
    }

    /// The same, issued with these options: another digest, for example.
    pub(super) fn with_key_signed(&self, name: &str, genpkey: &[&str], options: &str) -> Vec<String> {
        let key = self.path(&format!("{name}.key"));
        run(openssl().args(["genpkey", "-out", &key]).args(genpkey), &[]);
        let certificate = self.path(&format!("{name}.pem"));
        let (ca, ca_key) = (self.path("intermediate.pem"), self.path("intermediate.key"));
        let (config, subject, san) = (self.path("empty.cnf"), format!("/O=Lab/CN={HOST}"), format!("DNS:{HOST}"));
        let mut request = openssl();
        request.args(["req", "-x509", "-new", "-days", "90", "-config", &config, "-subj", &subject]);
        request.args(options.split(' '));
        request.args(["-key", &key, "-CA", &ca, "-CAkey", &ca_key, "-out", &certificate]);
        request.args(["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth"]);
        run(request.args(["-addext", &format!("subjectAltName={san}")]), &[]);
        self.serving_files(name, &certificate, &key, &self.secure.pki.intermediate.pem())
    }

    /// Parameters that keys can be made from.
    pub(super) fn parameters(&self, name: &str, genpkey: &[&str]) -> String {
        let path = self.path(name);
        run(openssl().args(["genpkey", "-genparam", "-out", &path]).args(genpkey), &[]);
        path
    }

    pub(super) fn serving_files(&self, name: &str, certificate: &str, key: &str, others: &str) -> Vec<String> {
        let mut arguments = vec!["-cert".to_owned(), certificate.to_owned(), "-key".to_owned(), key.to_owned()];
        if !others.is_empty() {
            arguments.extend(["-cert_chain".to_owned(), self.write(&format!("{name}.chain.pem"), others)]);
        }
        // Nothing is sent but what is said here.
        arguments.extend(["-no-CAfile", "-no-CApath", "-no-CAstore"].map(str::to_owned));
        arguments
    }
}

/// Some arguments and more, which are separated by spaces.
pub(super) fn and(arguments: &[String], more: &str) -> Vec<String> {
    arguments.iter().cloned().chain(more.split_whitespace().map(str::to_owned)).collect()
}
