//! TLS with an authority of one's own, and with a client certificate: in front of the stand-in.

use crate::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sink_elasticsearch::{ConfigError, Tls};
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

/// An authority and what it signed, as files.
struct Keys {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
struct Signed {
    certificate: String,
    key: String,
}

impl Keys {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
        Self { folder: tempfile::tempdir().expect("a temporary folder"), authority }
    }

    fn sign(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> Signed {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.authority).expect("a certificate");
        Signed { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    fn authority_file(&self) -> PathBuf {
        self.file("ca.pem", &self.authority.pem())
    }

    fn client(&self) -> (PathBuf, PathBuf) {
        let signed = self.sign("sluice", ExtendedKeyUsagePurpose::ClientAuth);
        (self.file("client.pem", &signed.certificate), self.file("client.key", &signed.key))
    }
}

/// Takes TLS off in front of `server`, from clients that have a certificate of the authority where that is asked.
async fn terminate(server: &StandIn, keys: &Keys, asks: bool) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut authorities = RootCertStore::empty();
    authorities.add(keys.authority.der().clone()).expect("a certificate");
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.expect("TLS 1.3");
    let builder = match asks {
        true => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
        false => builder.with_no_client_auth(),
    };
    let signed = keys.sign("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
    let certificate = CertificateDer::from_pem_slice(signed.certificate.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(signed.key.as_bytes()).expect("PEM");
    let config = builder.with_single_cert(vec![certificate], key).expect("a key that fits");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    let behind = server.address();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut front) = acceptor.accept(socket).await else { return };
                let mut back = TcpStream::connect(behind).await.expect("the stand-in listens");
                // An error is a side that went.
                let _ = tokio::io::copy_bidirectional(&mut front, &mut back).await;
            });
        }
    });
    address
}

fn tls_config(address: SocketAddr, tls: Tls) -> Config {
    let mut config = config(format!("https://{address}"));
    config.connection.tls = tls;
    config
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_and_no_other() {
    let server = StandIn::start().await;
    let (keys, stranger) = (Keys::new(), Keys::new());
    let address = terminate(&server, &keys, false).await;
    let ours = Tls { ca_file: Some(keys.authority_file()), ..Tls::default() };
    assert_eq!(deliver(&sink(tls_config(address, ours)), batch("a", 0..3)).await.len(), 3);
    assert_eq!(server.documents().len(), 3);

    let theirs = Tls { ca_file: Some(stranger.authority_file()), ..Tls::default() };
    let sink = sink(tls_config(address, theirs));
    let waiting = tokio::spawn({
        let sink = sink.clone();
        async move { sink.deliver(batch("b", 0..3)).await }
    });
    until("a problem", || !sink.problems().is_empty()).await;
    assert!(sink.problems()[0].contains("invalid peer certificate"), "{:?}", sink.problems());
    waiting.abort();
    assert_eq!(server.documents().len(), 3);
}

#[tokio::test]
async fn a_server_that_asks_for_it_gets_our_certificate() {
    let server = StandIn::start().await;
    let keys = Keys::new();
    let address = terminate(&server, &keys, true).await;
    let ca_file = Some(keys.authority_file());
    let (certificate_file, key_file) = keys.client();
    let tls = Tls { ca_file: ca_file.clone(), certificate_file: Some(certificate_file), key_file: Some(key_file) };
    assert_eq!(deliver(&sink(tls_config(address, tls)), batch("a", 0..3)).await.len(), 3);

    let nameless = sink(tls_config(address, Tls { ca_file, ..Tls::default() }));
    let waiting = tokio::spawn({
        let sink = nameless.clone();
        async move { sink.deliver(batch("b", 0..3)).await }
    });
    until("a problem", || !nameless.problems().is_empty()).await;
    waiting.abort();
    assert_eq!(server.documents().len(), 3);
}

#[tokio::test]
async fn files_that_are_wrong_are_named_and_not_shown() {
    let keys = Keys::new();
    let (certificate_file, key_file) = keys.client();
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let check = |tls: Tls, want: &str| {
        let error = ElasticsearchSink::new(tls_config(address, tls), &mut Registry::default()).map(|_| ());
        let error: ConfigError = error.expect_err("the configuration is wrong");
        let text = format!("{error} {error:?}");
        assert!(text.contains(want) && !text.contains("BEGIN") && !text.contains("s3cret"), "{text}");
    };
    let garbage = keys.file("garbage", "s3cret");
    check(Tls { ca_file: Some(garbage.clone()), ..Tls::default() }, "no certificate of an authority in PEM");
    check(Tls { ca_file: Some(keys.folder.path().join("none")), ..Tls::default() }, "read");
    check(
        Tls { certificate_file: Some(certificate_file.clone()), ..Tls::default() },
        "both certificate_file and key_file",
    );
    let half = |certificate, key| Tls { ca_file: None, certificate_file: Some(certificate), key_file: Some(key) };
    check(half(garbage.clone(), key_file), "no certificate in PEM");
    check(half(certificate_file, garbage), "no private key");
}
