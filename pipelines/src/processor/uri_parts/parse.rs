//! Addresses as Java's `URI` reads them (RFC 2396), and those that it refuses as its `URL` does.

/// The parts of an address; of those that `URI` reads, escapes are undone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Uri {
    pub scheme: Option<String>,
    pub user_info: Option<String>,
    pub host: Option<String>,
    pub port: Option<u32>,
    pub path: Option<String>,
    pub query: Option<String>,
    pub fragment: Option<String>,
}

/// Protocols that Java's `URL` knows.
const URL_PROTOCOLS: [&str; 6] = ["http", "https", "ftp", "file", "mailto", "jar"];

impl Uri {
    pub fn parse(text: &str) -> Option<Uri> {
        strict(text).or_else(|| lenient(text))
    }
}

/// Whether a character can stand in an address; others than ASCII can, when they are no blanks.
fn is_legal(c: char, more: &str) -> bool {
    c.is_ascii_alphanumeric()
        || "-_.!~*'();/?:@&=+$,%".contains(c)
        || more.contains(c)
        || !c.is_ascii() && !c.is_control() && !c.is_whitespace()
}

/// Whether every percent sign has two digits behind it.
fn escapes_are_whole(text: &str) -> bool {
    text.match_indices('%').all(|(place, _)| {
        text.as_bytes().get(place + 1..place + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

fn strict(text: &str) -> Option<Uri> {
    let (rest, fragment) = match text.split_once('#') {
        Some((rest, fragment)) => (rest, Some(fragment)),
        None => (text, None),
    };
    if !escapes_are_whole(text)
        || !fragment.unwrap_or_default().chars().all(|c| is_legal(c, "[]"))
        || !rest.chars().all(|c| is_legal(c, "[]"))
    {
        return None;
    }
    let (scheme, rest) = match rest.find([':', '/', '?']) {
        Some(colon) if rest[colon..].starts_with(':') => (Some(&rest[..colon]), &rest[colon + 1..]),
        _ => (None, rest),
    };
    if let Some(scheme) = scheme {
        let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        if !valid || rest.is_empty() {
            return None;
        }
    }
    let mut uri = Uri { scheme: scheme.map(str::to_owned), fragment: fragment.map(decode), ..Uri::default() };
    if scheme.is_some() && !rest.starts_with('/') {
        // Opaque, as `mailto:somebody`: nothing else is known of it.
        return Some(uri);
    }
    let (before_query, query) = match rest.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (rest, None),
    };
    uri.query = query.map(decode);
    let path = match before_query.strip_prefix("//") {
        None => before_query,
        Some(authority) => {
            let end = authority.find('/').unwrap_or(authority.len());
            if end == 0 && authority.is_empty() && query.is_none() {
                return None;
            }
            read_authority(&authority[..end], &mut uri)?;
            &authority[end..]
        }
    };
    // Brackets stand around IPv6 addresses only.
    if path.contains(['[', ']']) {
        return None;
    }
    uri.path = Some(decode(path));
    Some(uri)
}

/// `user@host:port`. What is no server with a name is an authority without known parts.
fn read_authority(authority: &str, uri: &mut Uri) -> Option<()> {
    let (user, server) = match authority.rsplit_once('@') {
        Some((user, server)) => (Some(user), server),
        None => (None, authority),
    };
    let (host, port) = if server.starts_with('[') {
        let end = server.find(']')?;
        let inside = server[1..end].split('%').next().unwrap_or_default();
        inside.parse::<std::net::Ipv6Addr>().ok()?;
        (&server[..=end], server[end + 1..].strip_prefix(':'))
    } else {
        if server.contains(['[', ']']) {
            return None;
        }
        match server.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        }
    };
    let port_is_valid = port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    if !port_is_valid || !is_host(host) {
        return Some(());
    }
    uri.user_info = user.map(decode);
    uri.host = Some(host.to_owned());
    uri.port = port.and_then(|port| port.parse().ok());
    Some(())
}

/// A name by RFC 2396: labels of letters, digits and hyphens, of which the last begins with a letter, or an address.
fn is_host(host: &str) -> bool {
    if host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok() {
        return true;
    }
    let trimmed = host.strip_suffix('.').unwrap_or(host);
    let labels_are_valid = !trimmed.is_empty()
        && trimmed.split('.').all(|label| {
            !label.is_empty()
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        });
    let last = trimmed.rsplit('.').next().unwrap_or_default();
    labels_are_valid && last.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Undoes escapes; what is not UTF-8 then becomes replacement characters.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        let digit = |place: usize| behind.get(place).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &behind[2..];
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// As Java's `URL`, which takes any characters and undoes no escapes.
fn lenient(text: &str) -> Option<Uri> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let (scheme, rest) = text.split_once(':')?;
    let scheme = scheme.to_lowercase();
    if !URL_PROTOCOLS.contains(&scheme.as_str()) {
        return None;
    }
    let mut uri = Uri { scheme: Some(scheme), ..Uri::default() };
    let (rest, fragment) = match rest.split_once('#') {
        Some((rest, fragment)) => (rest, Some(fragment.to_owned())),
        None => (rest, None),
    };
    uri.fragment = fragment;
    let (before_query, query) = match rest.split_once('?') {
        Some((before, query)) => (before, Some(query.to_owned())),
        None => (rest, None),
    };
    uri.query = query;
    let Some(authority) = before_query.strip_prefix("//") else {
        uri.host = Some(String::new());
        uri.path = Some(before_query.to_owned());
        return Some(uri);
    };
    let end = authority.find('/').unwrap_or(authority.len());
    let (server, path) = authority.split_at(end);
    let (user, server) = match server.rsplit_once('@') {
        Some((user, server)) => (Some(user.to_owned()), server),
        None => (None, server),
    };
    uri.user_info = user;
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !server.ends_with(']') => (host, Some(port)),
        _ => (server, None),
    };
    uri.port = match port {
        None | Some("") => None,
        Some(port) => Some(port.parse().ok()?),
    };
    uri.host = Some(host.to_owned());
    uri.path = Some(path.to_owned());
    Some(uri)
}

#[cfg(test)]
mod tests {
    use super::Uri;

    #[test]
    fn addresses_fall_into_their_parts() {
        let check = |text: &str, expect: Option<(&str, &str, &str, &str)>| {
            let uri = Uri::parse(text);
            let part = |part: &Option<String>| part.clone().unwrap_or_default();
            let got = uri.map(|uri| (part(&uri.scheme), part(&uri.host), part(&uri.path), part(&uri.query)));
            let expect = expect.map(|(a, b, c, d)| (a.to_owned(), b.to_owned(), c.to_owned(), d.to_owned()));
            assert_eq!(got, expect, "{text:?}");
        };
        check(
            "http://user:pw@www.example.com:80/foo.gif?k1=v1&k2=v2#frag",
            Some(("http", "www.example.com", "/foo.gif", "k1=v1&k2=v2")),
        );
        check("/a%20b?q=%41", Some(("", "", "/a b", "q=A")));
        check("http://www.example.com/a b|c?x={y}", Some(("http", "www.example.com", "/a b|c", "x={y}")));
        check("mailto:somebody@example.com", Some(("mailto", "", "", "")));
        check("http://[::1]:8080/x", Some(("http", "[::1]", "/x", "")));
        check("not a uri", None);
        check("http://a_b.example/x", Some(("http", "", "/x", "")));
        check("urn:", None);
        check("", Some(("", "", "", "")));
    }
}
