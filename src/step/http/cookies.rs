//! The cookies that servers have set during an attempt.

use std::cell::RefCell;

use cookie_store::{Cookie, CookieStore};
use ureq::http::HeaderMap;
use url::Url;

/// The cookies of an attempt.
#[derive(Debug, Default)]
pub(super) struct Jar(RefCell<CookieStore>);

impl Jar {
    /// Takes what an answer from this address sets or deletes.
    pub(super) fn keep(&self, url: &Url, answer: &HeaderMap) {
        let mut store = self.0.borrow_mut();
        for set in answer.get_all("set-cookie") {
            if let Ok(cookie) = Cookie::parse(String::from_utf8_lossy(set.as_bytes()).into_owned(), url) {
                // One that is refused is for somebody else.
                let _ = store.insert(cookie.into_owned(), url);
            }
        }
    }

    /// What a request to this address sends as `cookie`: what it says itself, and what was set beside that.
    pub(super) fn header(&self, url: &Url, own: &[&str]) -> Option<String> {
        let store = self.0.borrow();
        let mut cookies = store.matches(url);
        // What belongs to a longer path is first, as servers often take the first of a name.
        cookies.sort_by_key(|cookie| (std::cmp::Reverse(cookie.path.len()), cookie.name().to_owned()));
        let is_own = |name: &str| {
            let mut pairs = own.iter().flat_map(|header| header.split(';'));
            pairs.any(|pair| pair.split('=').next().is_some_and(|own| own.trim() == name))
        };
        let own_pairs = own.iter().map(|header| header.trim().trim_end_matches(';').to_owned());
        let kept = cookies.iter().filter(|cookie| !is_own(cookie.name()));
        let pairs: Vec<_> =
            own_pairs.chain(kept.map(|cookie| format!("{}={}", cookie.name(), cookie.value()))).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use ureq::http::{HeaderMap, HeaderValue};
    use url::Url;

    use super::Jar;

    fn url(path: &str) -> Url {
        Url::parse(&format!("http://127.0.0.1:8080{path}")).expect("an address")
    }

    fn set(jar: &Jar, cookies: &[&str]) {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append("set-cookie", HeaderValue::from_bytes(cookie.as_bytes()).expect("a value"));
        }
        jar.keep(&url("/a/b"), &headers);
    }

    #[test]
    fn values_are_sent_as_they_were_set() {
        let jar = Jar::default();
        set(
            &jar,
            &["quoted=\"x\\040y\"; Path=/", "json={\"a\":[1,2]}; Path=/", "ä=ö; Path=/", "empty=; Path=/"],
        );
        let sent = jar.header(&url("/"), &[]).expect("cookies");
        assert_eq!(sent, "empty=; json={\"a\":[1,2]}; quoted=\"x\\040y\"; ä=ö");
    }

    #[test]
    fn longer_paths_and_own_cookies_are_first() {
        let jar = Jar::default();
        set(
            &jar,
            &[
                "a=1; Path=/",
                "a=2; Path=/a",
                "b=3; Path=/",
                "gone=4; Path=/; Max-Age=0",
                "d=6; Domain=elsewhere.test",
            ],
        );
        assert_eq!(jar.header(&url("/a/x"), &[]).as_deref(), Some("a=2; a=1; b=3"));
        assert_eq!(jar.header(&url("/ab"), &["b=0; c=1;"]).as_deref(), Some("b=0; c=1; a=1"));
        assert_eq!(Jar::default().header(&url("/"), &[]), None);
    }

    #[test]
    fn what_is_deleted_is_not_sent() {
        let jar = Jar::default();
        set(&jar, &["a=1; Path=/"]);
        set(&jar, &["a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]);
        assert_eq!(jar.header(&url("/"), &[]), None);
    }
}
