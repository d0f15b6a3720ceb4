//! What a script says before the body: RFC 3875, section 6.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{StatusCode, Uri};

/// The answer of a script, as far as its header says it.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The server is to answer as if this had been asked for.
    LocalRedirect(Uri),
    /// A document, or a redirect that the client follows.
    Document { status: StatusCode, fields: HeaderMap },
}

/// Fields that are the server's affair.
const HOP_BY_HOP: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "trailer", "transfer-encoding", "upgrade"];

/// How long the header is, with the blank line that ends it. `None`: that has not come yet.
pub(crate) fn length(octets: &[u8]) -> Option<usize> {
    let mut start = 0;
    while let Some(length) = octets[start..].iter().position(|octet| *octet == b'\n') {
        let line = &octets[start..start + length];
        start += length + 1;
        if matches!(line, b"" | b"\r") {
            return Some(start);
        }
    }
    None
}

/// What the lines of a header say, or what is wrong with them.
pub(crate) fn parse(octets: &[u8]) -> Result<Answer, String> {
    let mut fields = HeaderMap::new();
    for line in octets.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty()) {
        let (name, value) = field(line).ok_or_else(|| format!("no field: {:?}", String::from_utf8_lossy(line)))?;
        fields.append(name, value);
    }
    let status = take_status(&mut fields)?;
    for name in HOP_BY_HOP {
        fields.remove(name);
    }
    let location = fields.get(header::LOCATION).map(HeaderValue::as_bytes);
    match (location, status) {
        (Some(path), None) if path.starts_with(b"/") && !path.starts_with(b"//") => {
            let uri = Uri::try_from(path).map_err(|error| format!("Location: {error}"))?;
            Ok(Answer::LocalRedirect(uri))
        }
        (Some(_), None) => Ok(Answer::Document { status: StatusCode::FOUND, fields }),
        (_, Some(status)) => Ok(Answer::Document { status, fields }),
        (None, None) if fields.contains_key(header::CONTENT_TYPE) => {
            Ok(Answer::Document { status: StatusCode::OK, fields })
        }
        (None, None) => Err("neither Content-Type nor Location nor Status".into()),
    }
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|octet| *octet == b':')?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
}

/// `Status: 404 Not Found`. A script can give final answers only.
fn take_status(fields: &mut HeaderMap) -> Result<Option<StatusCode>, String> {
    let Some(value) = fields.remove("status") else { return Ok(None) };
    let code = value.as_bytes().split(|octet| *octet == b' ').next().unwrap_or_default();
    let code = StatusCode::from_bytes(code).ok().filter(|code| !code.is_informational());
    code.map(Some).ok_or_else(|| format!("Status: {value:?}"))
}
