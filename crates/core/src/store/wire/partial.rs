//! Ranges from stores that send what was asked for and call it the whole: `rclone serve s3` answers a range with status 200
//! and a `Content-Range`, which `object_store` takes for an object where a range was wanted.
//!
//! Invariant: only an answer that says itself which range it is becomes one; `object_store` still compares it with the request.

use http::StatusCode;
use http::header::CONTENT_RANGE;
use http::response::Parts;

/// Gives the answer to a request for a range the status that its headers have.
pub(super) fn named(head: &mut Parts) {
    if head.status == StatusCode::OK && head.headers.contains_key(CONTENT_RANGE) {
        head.status = StatusCode::PARTIAL_CONTENT;
    }
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::named;

    #[test]
    fn only_what_names_its_range_is_part_of_an_object() {
        let status = |answer: http::response::Builder| {
            let (mut head, ()) = answer.body(()).unwrap().into_parts();
            named(&mut head);
            head.status.as_u16()
        };
        assert_eq!(status(Response::builder().header("content-range", "bytes 0-9/20")), 206);
        assert_eq!(status(Response::builder()), 200);
        assert_eq!(status(Response::builder().status(404).header("content-range", "bytes */20")), 404);
    }
}
