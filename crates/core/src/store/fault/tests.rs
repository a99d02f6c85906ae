use super::{Fault, answer, fatal, is_unanswered, judge, told};
use crate::error::Kind;

fn error(text: &str) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: text.into() }
}

fn judged(text: &str) -> Fault {
    judge(&error(text))
}

#[test]
fn only_a_call_that_reached_the_server_is_unanswered() {
    for text in ["client error (SendRequest): connection reset", "operation timed out"] {
        assert!(is_unanswered(&error(text)), "{text}");
    }
    for text in ["client error (Connect): connection refused", "status code: 503 Service Unavailable: <Code>"] {
        assert!(!is_unanswered(&error(text)), "{text}");
    }
}

#[test]
fn an_answer_is_told_without_its_xml() {
    let text = "Server returned non-2xx status code: 404 Not Found: <?xml version=\"1.0\"?>\n<Error>\
        <Code>NoSuchBucket</Code><Message>The bucket does not exist</Message></Error>";
    assert_eq!(answer(text).unwrap(), "the store answered 404 Not Found (NoSuchBucket): The bucket does not exist");
}

/// A layer that repeats the one below it, as those of `object_store` do.
#[derive(Debug)]
struct Layer(String, Option<Box<Layer>>);

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Layer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.1.as_deref().map(|layer| layer as _)
    }
}

fn layers(texts: &[&str]) -> object_store::Error {
    let wrap = |inner: Option<Box<Layer>>, text: &&str| Some(Box::new(Layer((*text).to_owned(), inner)));
    object_store::Error::Generic { store: "S3", source: texts.iter().rev().fold(None, wrap).unwrap() }
}

#[test]
fn a_call_without_an_answer_is_told_in_one_line_with_endpoint_and_reason() {
    let performing = "Error performing GET http://127.0.0.1:1/b?list-type=2 in 4ms, after 2 retries, max_retries: 2, \
        retry_timeout: 130s  - HTTP error: error sending request";
    let outer = ["HTTP error: error sending request", "error sending request"];
    let connecting = ["client error (Connect)", "tcp connect error", "Connection refused (os error 111)"];
    let refused = layers(&[&[performing][..], &outer, &connecting].concat());
    assert_eq!(told(&refused), "http://127.0.0.1:1 cannot be reached: Connection refused (os error 111)");
    let tunnel = ["client error (Connect)", "tunnel error: unsuccessful"];
    let unled = layers(&[&[performing][..], &outer, &tunnel].concat());
    assert_eq!(told(&unled), "http://127.0.0.1:1 cannot be reached through the proxy: unsuccessful");
    let slow = layers(&[&[performing][..], &outer, &["operation timed out"]].concat());
    assert_eq!(told(&slow), "no answer of http://127.0.0.1:1: operation timed out");
    let still = layers(&[
        "Error performing PUT http://127.0.0.1:1/b/x in 121s, after 0 retries - HTTP error: no byte moved for 120s",
        "HTTP error: no byte moved for 120s",
        "no byte moved for 120s",
    ]);
    assert_eq!(told(&still), "no answer of http://127.0.0.1:1: no byte moved for 120s");
    assert!(is_unanswered(&still));
    let cut = layers(&["HTTP error: request or response body error", "request or response body error", "cut"]);
    assert_eq!(told(&cut), "request or response body error: cut");
}

#[test]
fn a_proxy_without_an_address_is_no_endpoint_without_one() {
    let failed = |how: &[&str]| fatal(&layers(how), "list").help().unwrap_or_default().to_owned();
    let lookup = ["dns error", "failed to lookup address information"];
    assert!(failed(&[&["tunnel error: dns error"][..], &lookup].concat()).contains("HTTPS_PROXY"));
    assert!(failed(&lookup).contains("the store's endpoint"));
}

#[test]
fn what_to_look_at_first_is_what_failed() {
    let help = |text: &str| fatal(&error(text), "list").help().unwrap_or_default().to_owned();
    assert!(help("client error (Connect): received corrupt message of type InvalidContentType").contains("http://"));
    assert!(help("status code: 500 Internal Server Error: no free volumes left").contains("its log"));
    assert!(help("status code: 429 Too Many Requests").contains("reachable"));
    assert!(help("client error (Connect): connection refused").contains("reachable"));
}

/// A connection that was begun for a request to this place, and what came of it.
fn connecting(place: &str, innermost: &str) -> object_store::Error {
    let performing = format!("Error performing GET {place}/b?list-type=2 in 4ms - HTTP error: error sending request");
    layers(&[performing.as_str(), "error sending request", "client error (Connect)", innermost])
}

#[test]
fn a_certificate_of_another_name_is_told_with_both_names() {
    let wrong = "invalid peer certificate: certificate not valid for name \"10.0.0.7\"; certificate is only valid for \
        DnsName(\"minio\") or DnsName(\"minio.example\")";
    let error = connecting("https://10.0.0.7:9000", wrong);
    assert_eq!(
        told(&error),
        "https://10.0.0.7:9000 cannot be reached: invalid peer certificate: certificate not valid for name \"10.0.0.7\"; \
         certificate is only valid for \"minio\" or \"minio.example\""
    );
    let refused = fatal(&error, "list");
    assert_eq!(refused.kind(), Kind::Config);
    assert!(refused.help().unwrap().contains("let the endpoint name a host"), "{refused:?}");
    let hint = |said: &str| fatal(&connecting("https://minio", said), "list").help().unwrap().to_owned();
    assert!(hint("invalid peer certificate: certificate expired: verification time 2 (UNIX)").contains("clock"));
    assert!(hint("invalid peer certificate: UnknownIssuer").contains("[store] ca"));
}

/// It is asked as if it were the store, and answers so.
#[test]
fn without_tls_a_proxy_may_be_what_is_not_there_or_refuses() {
    let hint = |error: &object_store::Error| fatal(error, "list").help().unwrap().to_owned();
    let answered = |place: &str, what: &str| {
        error(&format!("Error performing GET {place}/b in 4ms - Server returned non-2xx status code: {what}"))
    };
    for (what, first) in [("503 Service Unavailable: <html>", "its log"), ("403 Forbidden: <html>", "give the key")] {
        let (plain, sealed) = (answered("http://minio:9000", what), answered("https://minio:9000", what));
        assert!(hint(&plain).contains(first) && hint(&plain).contains("HTTP_PROXY"), "{}", hint(&plain));
        assert!(hint(&sealed).contains(first) && !hint(&sealed).contains("PROXY"), "{}", hint(&sealed));
    }
    let of_the_store = answered("http://minio:9000", "503 Service Unavailable: <Code>SlowDown</Code>");
    assert!(!hint(&of_the_store).contains("PROXY"), "{}", hint(&of_the_store));
    assert!(hint(&connecting("http://minio:9000", "Connection refused")).contains("HTTP_PROXY"));
    assert!(!hint(&connecting("https://minio:9000", "Connection refused")).contains("PROXY"));
}

#[test]
fn what_azure_says_is_told_in_one_line() {
    let text = "Server returned non-2xx status code: 404 Not Found: <?xml?><Error><Code>ContainerNotFound</Code>\
        <Message>The specified container does not exist.\nRequestId:1\nTime:2</Message></Error>";
    let told = answer(text).unwrap();
    assert_eq!(told, "the store answered 404 Not Found (ContainerNotFound): The specified container does not exist.");
}

#[test]
fn one_delete_that_azure_refuses_or_postpones_is_told_by_its_status() {
    let failed = |code: &str| object_store::Error::Generic {
        store: "MicrosoftAzure",
        source: format!("Bulk delete request failed for key x: Forbidden (code: {code})").into(),
    };
    assert!(matches!(judge(&failed("403")), Fault::Fatal(Kind::Config, _)));
    assert!(matches!(judge(&failed("503")), Fault::Transient));
}

#[test]
fn credentials_are_asked_for_by_the_variables_of_the_store() {
    for (store, variable) in [("S3", "AWS_"), ("GCS", "GOOGLE_"), ("MicrosoftAzure", "AZURE_")] {
        let error = object_store::Error::Generic { store, source: "GET http://169.254.169.254/x".into() };
        let Fault::Fatal(Kind::Config, hint) = judge(&error) else { panic!("{store} was not judged") };
        assert!(hint.contains(variable), "{hint}");
    }
}

#[test]
fn what_passes_is_tried_again_and_what_does_not_is_told() {
    for text in [
        "Server returned non-2xx status code: 503 Service Unavailable: <Code>SlowDown</Code>",
        "Server returned non-2xx status code: 400 Bad Request: <Code>RequestTimeout</Code>",
        "HTTP error: error sending request: connection refused",
    ] {
        assert!(matches!(judged(text), Fault::Transient), "{text}");
    }
    let kind = |text| match judged(text) {
        Fault::Fatal(kind, _) => Some(kind),
        Fault::Transient => None,
    };
    assert_eq!(kind("status code: 501 Not Implemented"), Some(Kind::Failure));
    assert_eq!(kind("client error (Connect): tunnel error: proxy authorization required"), Some(Kind::Config));
    assert_eq!(kind("client error (Connect): tunnel error: unsuccessful"), None);
    assert_eq!(kind("status code: 303 See Other"), Some(Kind::Config));
    assert_eq!(kind("status code: 403: <Code>RequestTimeTooSkewed</Code>"), Some(Kind::Config));
    assert_eq!(kind("status code: 404: <Code>NoSuchBucket</Code>"), Some(Kind::NotFound));
    assert_eq!(kind("status code: 404: <Code>ContainerNotFound</Code>"), Some(Kind::NotFound));
    assert_eq!(kind("status code: 403: <Code>AuthorizationPermissionMismatch</Code>"), Some(Kind::Config));
    assert_eq!(kind("status code: 400 Bad Request: {\"error\":\"invalid_grant\"}"), Some(Kind::Config));
}
