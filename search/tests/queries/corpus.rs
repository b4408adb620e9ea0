//! The documents that queries are compared over, the same for every server: each is made from its number alone.

/// 2024-03-29T00:00:00Z: two days before clocks in Berlin are set forward.
const BEGIN_MILLIS: u64 = 1_711_670_400_000;
/// All documents lie in these days.
const SPAN_MILLIS: u64 = 6 * 86_400_000;

const HOSTS: [&str; 6] = ["web-1", "web-2", "web-3", "db-1", "Cache-1", "müller-1"];
const LEVELS: [&str; 6] = ["info", "info", "info", "warn", "error", "debug"];
const METHODS: [&str; 5] = ["GET", "GET", "GET", "POST", "DELETE"];
const STATUSES: [u64; 8] = [200, 200, 200, 201, 304, 404, 500, 503];
const PATHS: [&str; 7] = ["/", "/cart", "/cart/items", "/login", "/api/v1/orders", "/static/app.js", "/search?q=a+b"];
const USERS: [&str; 5] = ["alice", "bob", "carol.smith@example.com", "", "O'Brien"];
const MESSAGES: [&str; 12] = [
    "Connection refused by 10.0.0.7:5432 after 3 retries",
    "GET /cart/items HTTP/1.1 200 in 12ms",
    "User alice logged in from Zürich",
    "Can't open file /var/log/app.log: permission denied",
    "Connection to database lost, will retry",
    "Retry succeeded: database connection is back",
    "Payment accepted for order_4711 (42.50 EUR)",
    "java.lang.IllegalStateException: queue is full",
    "Cache miss for key user:alice:profile",
    "Request timed out after 30s while waiting for the database",
    "日本語のログ message with mixed scripts",
    "disk usage at 91% on /dev/sda1",
];

/// The bits of splitmix64: far numbers look independent.
fn mixed(number: u64, salt: u64) -> u64 {
    let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(salt.wrapping_mul(0xbf58_476d_1ce4_e5b9));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Milliseconds since 1970 as `2024-03-29T12:34:56.789Z`; all lie in March and April 2024.
fn written(millis: u64) -> String {
    let day = (millis - BEGIN_MILLIS) / 86_400_000 + 29;
    let (month, day) = if day > 31 { (4, day - 31) } else { (3, day) };
    let of_day = millis % 86_400_000;
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    format!("2024-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", of_day % 1000)
}

/// The id of a document.
pub fn id(number: u64) -> String {
    format!("doc-{number:06}")
}

/// A document as JSON on one line.
pub fn document(number: u64) -> String {
    let pick = |salt: u64, count: usize| (mixed(number, salt) % count as u64) as usize;
    let at = BEGIN_MILLIS + mixed(number, 1) % SPAN_MILLIS;
    let message = MESSAGES[pick(2, MESSAGES.len())];
    let mut fields = vec![
        format!(r#""@timestamp":"{}""#, written(at)),
        format!(r#""message":"{message} #{}""#, number % 1000),
        format!(r#""host":{{"name":"{}"}}"#, HOSTS[pick(3, HOSTS.len())]),
        format!(r#""log":{{"level":"{}","offset":{number}}}"#, LEVELS[pick(4, LEVELS.len())]),
        format!(r#""event":{{"dataset":"{}"}}"#, ["nginx.access", "shop", "db"][pick(5, 3)]),
    ];
    if pick(6, 3) > 0 {
        let bytes = mixed(number, 7) % 50_000;
        fields.push(format!(
            r#""http":{{"request":{{"method":"{}"}},"response":{{"status_code":{},"bytes":{bytes}}}}}"#,
            METHODS[pick(8, METHODS.len())],
            STATUSES[pick(9, STATUSES.len())],
        ));
        fields.push(format!(r#""url":{{"path":"{}"}}"#, PATHS[pick(10, PATHS.len())]));
        let [third, last] = [11, 12].map(|salt| mixed(number, salt) % 20);
        fields.push(match pick(13, 10) {
            0 => format!(r#""source":{{"ip":"2001:db8::{last}"}}"#),
            _ => format!(r#""source":{{"ip":"10.{}.{third}.{last}"}}"#, pick(14, 3)),
        });
    }
    if pick(15, 2) == 0 {
        // Quarters are exact in 32 bits, too.
        fields.push(format!(r#""took":{:?}"#, (mixed(number, 16) % 4000) as f64 / 4.0));
        fields.push(format!(r#""cached":{}"#, pick(17, 4) == 0));
    }
    match pick(18, 4) {
        0 => fields.push(r#""tags":["slow","retry"]"#.to_owned()),
        1 => fields.push(r#""tags":["slow"]"#.to_owned()),
        2 => fields.push(r#""tags":[]"#.to_owned()),
        _ => {}
    }
    fields.push(format!(r#""user":{{"name":"{}"}}"#, USERS[pick(19, USERS.len())]));
    format!("{{{}}}", fields.join(","))
}

/// The body of a request: the query's own, and what makes answers comparable where it does not say.
pub fn body(query: &serde_json::Value) -> serde_json::Value {
    let mut body = query.clone();
    let sort = serde_json::json!([{ "log.offset": "asc" }]);
    for (name, value) in
        [("size", 10.into()), ("sort", sort), ("_source", false.into()), ("track_total_hits", true.into())]
    {
        if body.get(name).is_none() {
            body[name] = value;
        }
    }
    body
}
