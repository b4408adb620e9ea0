//! PLAIN (RFC 4616): one message of the client, `authorization id NUL user NUL password`.

use super::SaslError;

/// The client's message.
pub fn message(user: &str, password: &str) -> Vec<u8> {
    format!("\0{user}\0{password}").into_bytes()
}

/// User and password of a client's message.
///
/// # Errors
/// It is not a message of this mechanism, or asks to act for another user, which nobody may.
pub fn read(message: &[u8]) -> Result<(&str, &str), SaslError> {
    let text = std::str::from_utf8(message).map_err(|_| SaslError::Malformed("it is not UTF-8"))?;
    let mut parts = text.split('\0');
    let (Some(acts_for), Some(user), Some(password), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(SaslError::Malformed("want two NUL bytes"));
    };
    if user.is_empty() || password.is_empty() {
        return Err(SaslError::Malformed("user and password must not be empty"));
    }
    match acts_for {
        "" => Ok((user, password)),
        same if same == user => Ok((user, password)),
        _ => Err(SaslError::Refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_back() {
        assert_eq!(read(&message("anna", "größer")), Ok(("anna", "größer")));
        assert_eq!(read(b"anna\0anna\0x"), Ok(("anna", "x")));
        assert_eq!(read(b"root\0anna\0x"), Err(SaslError::Refused));
        for bad in [&b""[..], b"anna", b"\0anna", b"\0anna\0", b"\0\0x", b"\0a\0b\0c", b"\0a\0\xff"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
