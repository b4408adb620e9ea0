//! What there is to choose from: paths, clients, programs, traces.

/// Method, path, and how many of a hundred requests go there.
pub const PLACES: [(&str, &str, u32); 8] = [
    ("GET", "/", 22),
    ("GET", "/products?page=", 24),
    ("GET", "/products/", 22),
    ("POST", "/cart", 10),
    ("GET", "/cart", 8),
    ("POST", CHECKOUT, 6),
    ("GET", "/static/shop.css", 6),
    ("GET", "/favicon.ico", 2),
];

/// The place that needs the payment service.
pub const CHECKOUT: &str = "/checkout";

pub const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    "Googlebot/2.1 (+http://www.google.com/bot.html)",
];

/// Program and message of quiet times.
pub const SYSTEM: [(&str, &str); 6] = [
    ("CRON[4711]", "(root) CMD (test -x /usr/sbin/anacron || run-parts /etc/cron.hourly)"),
    ("systemd[1]", "Started logrotate.service - Rotate log files."),
    ("systemd[1]", "Finished apt-daily.service - Daily apt download activities."),
    ("sshd[2203]", "Invalid user admin from 192.0.2.77 port 40122"),
    ("kernel", "[81231.022104] eth0: Link is Up - 1Gbps/Full - flow control rx/tx"),
    ("dbus-daemon[612]", "[system] Successfully activated service 'org.freedesktop.timedate1'"),
];

/// Program and message while the bank does not answer.
pub const SYSTEM_STORM: [(&str, &str); 3] = [
    ("kernel", "[81440.718221] nf_conntrack: table full, dropping packet"),
    ("payment[903]", "warning: 64 of 64 connections to bank.example:443 wait for an answer"),
    ("systemd[1]", "payment.service: Watchdog timeout (limit 30s)!"),
];

/// Of the bank that does not answer.
pub const TIMEOUT: &str = "\
com.example.payment.BankException: no answer from bank.example within 3000 ms
\tat com.example.payment.BankClient.charge(BankClient.java:118)
\tat com.example.payment.CardService.pay(CardService.java:64)
\tat com.example.payment.CheckoutController.checkout(CheckoutController.java:41)
\tat java.base/java.lang.reflect.Method.invoke(Method.java:580)
Caused by: java.net.SocketTimeoutException: Read timed out
\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:278)
\tat java.base/sun.nio.ch.NioSocketImpl.implRead(NioSocketImpl.java:304)
\t... 21 more";

/// Of a fault in the program, also in quiet times.
pub const FAULT: &str = "\
java.lang.NullPointerException: Cannot invoke \"com.example.payment.Card.expiry()\" because \"card\" is null
\tat com.example.payment.CardService.check(CardService.java:87)
\tat com.example.payment.CardService.pay(CardService.java:59)
\tat com.example.payment.CheckoutController.checkout(CheckoutController.java:41)";
