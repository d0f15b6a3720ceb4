//! Which script a request means.

use crate::server::Failure;
use hyper::{StatusCode, Uri};
use percent_encoding::percent_decode_str;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const PREFIX: &[u8] = b"/cgi-bin/";

/// A script that is there, and what the request says behind its name.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) file: PathBuf,
    /// The path of the script in requests.
    pub(crate) script_name: Vec<u8>,
    /// The decoded path behind that, with its slash.
    pub(crate) path_info: Vec<u8>,
    pub(crate) query: String,
}

impl Target {
    /// `/cgi-bin/NAME`, and perhaps `/more` and `?query`: the regular file NAME in `scripts`.
    pub(crate) fn find(scripts: &Path, uri: &Uri) -> Result<Self, Failure> {
        // Decoded before it is looked at, so that nothing can hide behind an encoding.
        let path: Vec<u8> = percent_decode_str(uri.path()).collect();
        let climbs = path.split(|octet| *octet == b'/').any(|part| matches!(part, b"." | b".."));
        if climbs || path.contains(&0) {
            return Err(Failure::new(StatusCode::BAD_REQUEST, "the path has a part that no path may have here"));
        }
        let unknown = || Failure::new(StatusCode::NOT_FOUND, "there is no such script");
        let behind_prefix = path.strip_prefix(PREFIX).ok_or_else(unknown)?;
        let length = behind_prefix.iter().position(|octet| *octet == b'/').unwrap_or(behind_prefix.len());
        let (name, path_info) = behind_prefix.split_at(length);
        let file = scripts.join(OsStr::from_bytes(name));
        if name.is_empty() || name.starts_with(b".") || !file.is_file() {
            return Err(unknown());
        }
        Ok(Target {
            file,
            script_name: [PREFIX, name].concat(),
            path_info: path_info.to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
        })
    }
}
