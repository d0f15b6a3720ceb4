//! Where a program is looked for.

use std::ffi::{CStr, CString};

/// The longest name that a file has, NAME_MAX.
const LONGEST: usize = 255;

/// Where the program may be, in the order in which that is tried.
pub(super) fn candidates(file: &CStr, path: &CStr) -> Vec<CString> {
    let name = file.to_bytes();
    if name.contains(&b'/') || name.is_empty() {
        return vec![file.to_owned()];
    }
    let in_directory = |directory: &[u8]| {
        // An empty one is the current directory.
        let parts = if directory.is_empty() { vec![name] } else { vec![directory, b"/", name] };
        CString::new(parts.concat()).ok()
    };
    let directories = path.to_bytes().split(|octet| *octet == b':');
    // A name as long as the path is could be written as often as the path has colons. The kernel says once that it is too long.
    let skipped = if name.len() <= LONGEST { 0 } else { directories.clone().count() - 1 };
    directories.skip(skipped).filter_map(in_directory).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(file: &CStr, path: &CStr) -> Vec<String> {
        candidates(file, path).into_iter().map(|path| path.into_string().unwrap()).collect()
    }

    #[test]
    fn names_are_looked_for_in_path_and_paths_are_not() {
        assert_eq!(shown(c"ls", c"/a:/b"), ["/a/ls", "/b/ls"]);
        assert_eq!(shown(c"ls", c":/b:"), ["ls", "/b/ls", "ls"]);
        assert_eq!(shown(c"ls", c""), ["ls"]);
        assert_eq!(shown(c"./ls", c"/a"), ["./ls"]);
        assert_eq!(shown(c"", c"/a"), [""]);
    }

    #[test]
    fn a_name_that_no_file_has_is_looked_for_once() {
        let places = |length| shown(&CString::new("x".repeat(length)).unwrap(), c"/a:/b").len();
        assert_eq!((places(255), places(256)), (2, 1));
    }
}
