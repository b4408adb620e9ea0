//! The files of the page, in the binary.

use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Scripts, styles, images and requests only from here; nothing may frame the page; text cannot become script in any way.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/page/", $name)))),*]
    };
}

/// Name below `page/`, and content.
const FILES: &[(&str, &[u8])] = files![
    "api.js",
    "app.js",
    "bars.js",
    "colours.js",
    "discover.js",
    "dom.js",
    "drawer.js",
    "fields.js",
    "histogram.js",
    "icon.svg",
    "json.js",
    "lucene.js",
    "metrics.js",
    "pipeline.js",
    "searches.js",
    "state.js",
    "style.css",
    "suggest.js",
    "table.js",
    "times.js",
    "uplot/LICENSE",
    "uplot/uPlot.esm.js",
    "uplot/uPlot.min.css",
    "visible.js",
];

/// The page itself.
pub fn home() -> Response {
    answer("text/html; charset=utf-8", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/page/index.html")))
}

/// One of the page's files, by its name.
pub async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, _)| *known == name) {
        Some((name, content)) => answer(media_type(name), content),
        None => (StatusCode::NOT_FOUND, "the page has no such file\n").into_response(),
    }
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

/// A browser asks again each time: the files change with the binary, and come from the same machine.
fn answer(media_type: &'static str, content: &'static [u8]) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    let same_origin = HeaderValue::from_static("same-origin");
    let own = HeaderName::from_static("cross-origin-resource-policy");
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    (headers, [(own, same_origin.clone()), (opener, same_origin)], content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is in the folder and not in the binary would be missed only in the browser.
    #[test]
    fn every_file_of_the_page_is_in_the_binary() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/page");
        let mut names: Vec<String> = Vec::new();
        for below in ["", "uplot/"] {
            for entry in std::fs::read_dir(format!("{folder}/{below}")).expect("the page's folder").flatten() {
                if entry.path().is_file() && entry.file_name() != "index.html" {
                    names.push(format!("{below}{}", entry.file_name().to_string_lossy()));
                }
            }
        }
        names.sort();
        let known: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(known, names);
    }

    /// No file asks for anything that is elsewhere.
    #[test]
    fn nothing_comes_from_the_network() {
        let own = FILES.iter().filter(|(name, _)| !name.starts_with("uplot/"));
        for (name, content) in own {
            let text = String::from_utf8_lossy(content);
            let without = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!without.contains("http://") && !without.contains("https://"), "{name}");
            assert!(!text.contains("innerHTML") && !text.contains("insertAdjacentHTML"), "{name}");
        }
    }
}
