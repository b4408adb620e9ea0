//! SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677): both sides prove that they know the password, and neither says it.
//!
//! ```text
//! client first   n,,n=USER,r=CLIENT_NONCE                          user with "=" and "," as =3D and =2C
//! server first   r=CLIENT_NONCE SERVER_NONCE,s=SALT,i=ITERATIONS   salt in base64
//! client final   c=biws,r=BOTH_NONCES,p=PROOF                      client key XOR HMAC(stored key, all messages)
//! server final   v=SIGNATURE                                       HMAC(server key, all messages), or e=ERROR
//! ```

use super::SaslError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;

/// The hash of a mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hash {
    Sha256,
    Sha512,
}

/// Rounds of PBKDF2 that a stored password has here: Kafka's default and least number.
pub const ITERATIONS: u32 = 4096;
/// More are taken for an attempt to keep a client busy.
const ITERATIONS_MAX: u32 = 1_000_000;
/// Longest message that is read.
const MESSAGE_BYTES_MAX: usize = 8 * 1024;
/// Base64 of `n,,`: no channel binding.
const NO_BINDING: &str = "biws";
const HEADER: &str = "n,,";

impl Hash {
    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }

    fn salted(self, password: &str, salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
        let mut salted = vec![0; self.digest().output_len()];
        pbkdf2::derive(self.pbkdf2(), iterations, salt, password.as_bytes(), &mut salted);
        salted
    }

    fn sign(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(self.hmac(), key), message).as_ref().to_vec()
    }
}

/// What a server keeps of a password: enough to check a proof, not to make one.
#[derive(Clone)]
pub struct Credential {
    hash: Hash,
    salt: Vec<u8>,
    iterations: NonZeroU32,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("hash", &self.hash).finish_non_exhaustive()
    }
}

impl Credential {
    /// Of a password. `salt` is random.
    pub fn new(hash: Hash, password: &str, salt: [u8; 16]) -> Self {
        let iterations = NonZeroU32::new(ITERATIONS).expect("not zero");
        let salted = hash.salted(password, &salt, iterations);
        let client_key = hash.sign(&salted, b"Client Key");
        Self {
            hash,
            salt: salt.to_vec(),
            iterations,
            stored_key: digest::digest(hash.digest(), &client_key).as_ref().to_vec(),
            server_key: hash.sign(&salted, b"Server Key"),
        }
    }

    /// Is this the password? For PLAIN, which says it.
    pub fn is_password(&self, password: &str) -> bool {
        let salted = self.hash.salted(password, &self.salt, self.iterations);
        let client_key = self.hash.sign(&salted, b"Client Key");
        same(digest::digest(self.hash.digest(), &client_key).as_ref(), &self.stored_key)
    }
}

/// The server's side of one exchange.
#[derive(Debug)]
pub struct Server {
    credential: Credential,
    /// First messages of both, as they enter the signatures.
    so_far: String,
    nonce: String,
}

impl Server {
    /// The user that a client's first message names.
    ///
    /// # Errors
    /// It is not a first message.
    pub fn user(message: &[u8]) -> Result<String, SaslError> {
        let bare = first_bare(message)?;
        let user = attribute(bare.split(',').next(), "n=")?;
        let decoded = user.replace("=2C", ",").replace("=3D", "=");
        if decoded.is_empty() { Err(SaslError::Malformed("the user is empty")) } else { Ok(decoded) }
    }

    /// Reads the client's first message; gives the exchange, and what is answered. `nonce` is random, of printable
    /// characters but a comma.
    ///
    /// # Errors
    /// It is not a first message.
    pub fn start(message: &[u8], credential: Credential, nonce: &str) -> Result<(Self, Vec<u8>), SaslError> {
        let bare = first_bare(message)?;
        let mut parts = bare.split(',');
        attribute(parts.next(), "n=")?;
        let client_nonce = attribute(parts.next(), "r=")?;
        if client_nonce.is_empty() {
            return Err(SaslError::Malformed("the nonce is empty"));
        }
        let nonce = format!("{client_nonce}{nonce}");
        let answer = format!("r={nonce},s={},i={}", STANDARD.encode(&credential.salt), credential.iterations);
        let server = Self { credential, so_far: format!("{bare},{answer}"), nonce };
        Ok((server, answer.into_bytes()))
    }

    /// Reads the client's final message; gives what is answered when its proof is right.
    ///
    /// # Errors
    /// It is not a final message of this exchange, or the client does not know the password.
    pub fn finish(self, message: &[u8]) -> Result<Vec<u8>, SaslError> {
        let text = text(message)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(SaslError::Malformed("the proof is missing"))?;
        let mut parts = without_proof.split(',');
        if attribute(parts.next(), "c=")? != NO_BINDING {
            return Err(SaslError::Malformed("channel binding was not offered"));
        }
        if attribute(parts.next(), "r=")? != self.nonce {
            return Err(SaslError::Malformed("the nonce is another one"));
        }
        let proof = STANDARD.decode(proof).map_err(|_| SaslError::Malformed("the proof is not base64"))?;
        let hash = self.credential.hash;
        let all = format!("{},{without_proof}", self.so_far);
        let signature = hash.sign(&self.credential.stored_key, all.as_bytes());
        if proof.len() != signature.len() {
            return Err(SaslError::Refused);
        }
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        if !same(digest::digest(hash.digest(), &client_key).as_ref(), &self.credential.stored_key) {
            return Err(SaslError::Refused);
        }
        let signature = hash.sign(&self.credential.server_key, all.as_bytes());
        Ok(format!("v={}", STANDARD.encode(signature)).into_bytes())
    }
}

/// The client's side of one exchange.
#[derive(Debug)]
pub struct Client {
    hash: Hash,
    first_bare: String,
    nonce: String,
    /// After the server's first message: its signature when it knows the password.
    expected: Option<String>,
}

impl Client {
    /// Gives the exchange and its first message. `nonce` is random, of printable characters but a comma.
    pub fn start(hash: Hash, user: &str, nonce: &str) -> (Self, Vec<u8>) {
        let first_bare = format!("n={},r={nonce}", user.replace('=', "=3D").replace(',', "=2C"));
        let message = format!("{HEADER}{first_bare}").into_bytes();
        (Self { hash, first_bare, nonce: nonce.to_owned(), expected: None }, message)
    }

    /// Reads the server's first message; gives the final one.
    ///
    /// # Errors
    /// It is not an answer to this exchange.
    pub fn prove(&mut self, password: &str, message: &[u8]) -> Result<Vec<u8>, SaslError> {
        let server_first = text(message)?;
        let mut parts = server_first.split(',');
        let nonce = attribute(parts.next(), "r=")?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(SaslError::Malformed("the nonce is another one"));
        }
        let salt = STANDARD.decode(attribute(parts.next(), "s=")?);
        let salt = salt.map_err(|_| SaslError::Malformed("the salt is not base64"))?;
        let iterations = attribute(parts.next(), "i=")?.parse::<NonZeroU32>();
        let iterations = iterations.ok().filter(|count| count.get() <= ITERATIONS_MAX);
        let iterations = iterations.ok_or(SaslError::Malformed("the number of iterations is not possible"))?;

        let salted = self.hash.salted(password, &salt, iterations);
        let client_key = self.hash.sign(&salted, b"Client Key");
        let stored_key = digest::digest(self.hash.digest(), &client_key);
        let without_proof = format!("c={NO_BINDING},r={nonce}");
        let all = format!("{},{server_first},{without_proof}", self.first_bare);
        let signature = self.hash.sign(stored_key.as_ref(), all.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let server_key = self.hash.sign(&salted, b"Server Key");
        self.expected = Some(STANDARD.encode(self.hash.sign(&server_key, all.as_bytes())));
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)).into_bytes())
    }

    /// Reads the server's final message.
    ///
    /// # Errors
    /// The server refused, or does not know the password itself.
    pub fn finish(self, message: &[u8]) -> Result<(), SaslError> {
        let text = text(message)?;
        if let Some(error) = text.strip_prefix("e=") {
            return Err(SaslError::ServerSaid(error.to_owned()));
        }
        let signature = attribute(text.split(',').next(), "v=")?;
        match self.expected {
            Some(expected) if same(expected.as_bytes(), signature.as_bytes()) => Ok(()),
            _ => Err(SaslError::ServerUnproven),
        }
    }
}

/// A first message without its header.
fn first_bare(message: &[u8]) -> Result<&str, SaslError> {
    let text = text(message)?;
    // `y` says that the client could bind to the channel, but believes that the server cannot.
    let rest = text.strip_prefix("n,").or_else(|| text.strip_prefix("y,"));
    let rest = rest.ok_or(SaslError::Malformed("channel binding was not offered"))?;
    let (acts_for, bare) = rest.split_once(',').ok_or(SaslError::Malformed("the header is cut off"))?;
    match acts_for {
        "" => Ok(bare),
        // A client may name itself here too.
        named if bare.starts_with(&format!("n={},", named.strip_prefix("a=").unwrap_or_default())) => Ok(bare),
        _ => Err(SaslError::Refused),
    }
}

fn text(message: &[u8]) -> Result<&str, SaslError> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(SaslError::Malformed("it is too long"));
    }
    std::str::from_utf8(message).map_err(|_| SaslError::Malformed("it is not UTF-8"))
}

fn attribute<'a>(part: Option<&'a str>, name: &'static str) -> Result<&'a str, SaslError> {
    part.and_then(|part| part.strip_prefix(name)).ok_or(SaslError::Malformed("an attribute is missing"))
}

/// Compares in a time that does not tell where two secrets differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7677() {
        let (mut client, first) = Client::start(Hash::Sha256, "user", "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(first, b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let server_first = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let last = client.prove("pencil", server_first).expect("the server's first message");
        let expect = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(String::from_utf8_lossy(&last), expect);
        client.finish(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").expect("the server's signature");
    }

    fn exchange(hash: Hash, user: &str, said: &str, kept: &str) -> Result<(), SaslError> {
        let (mut client, first) = Client::start(hash, user, "abc");
        assert_eq!(Server::user(&first).as_deref(), Ok(user));
        let (server, answer) = Server::start(&first, Credential::new(hash, kept, [7; 16]), "def")?;
        let last = client.prove(said, &answer)?;
        client.finish(&server.finish(&last)?)
    }

    #[test]
    fn both_sides_agree() {
        for hash in [Hash::Sha256, Hash::Sha512] {
            assert_eq!(exchange(hash, "a=b,c", "größer", "größer"), Ok(()));
            assert_eq!(exchange(hash, "anna", "wrong", "right"), Err(SaslError::Refused));
            let credential = Credential::new(hash, "right", [1; 16]);
            assert!(credential.is_password("right") && !credential.is_password("wrong"));
        }
    }

    #[test]
    fn forged_messages_are_refused() {
        let credential = Credential::new(Hash::Sha256, "secret", [7; 16]);
        for bad in
            [&b""[..], b"n", b"n,", b"n,,", b"n,,n=a", b"n,,r=x", b"p=tls,,n=a,r=x", b"n,a=b,n=a,r=x", b"n,,n=a,r="]
        {
            assert!(Server::start(bad, credential.clone(), "x").is_err(), "{bad:?}");
        }
        let (_, first) = Client::start(Hash::Sha256, "anna", "abc");
        for bad in
            [&b""[..], b"c=biws,r=abcx", b"c=biws,r=abcy,p=", b"c=biws,r=abcx,p=?", b"c=biws,r=abcx,p=AAAA", b"\xff"]
        {
            let (server, _) = Server::start(&first, credential.clone(), "x").expect("a first message");
            assert!(server.finish(bad).is_err(), "{bad:?}");
        }
        for bad in
            [&b""[..], b"r=abc,s=AAAA,i=4096", b"r=abcx,s=?,i=4096", b"r=abcx,s=AAAA,i=0", b"r=abcx,s=AAAA,i=99999999"]
        {
            let (mut client, _) = Client::start(Hash::Sha256, "anna", "abc");
            assert!(client.prove("secret", bad).is_err(), "{bad:?}");
        }
        let (mut client, _) = Client::start(Hash::Sha256, "anna", "abc");
        client.prove("secret", b"r=abcx,s=AAAA,i=4096").expect("a first message");
        assert_eq!(client.finish(b"v=AAAA"), Err(SaslError::ServerUnproven));
    }
}
