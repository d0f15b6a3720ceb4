//! Runs the example as a user would, with the means of the other examples' tests.

#[path = "../../tests/story.rs"]
mod story;
#[allow(dead_code, reason = "other tests need more of it")]
#[path = "../../tests/support.rs"]
mod support;

#[test]
fn the_main_loop_of_glib_sees_starts_and_ends() {
    story::assert_told_by("glib");
}
