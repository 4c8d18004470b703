//! Forwarding judged from outside: scripted encoders whose references are known, a lossy way in, and what one subscriber gets.

mod audio;
mod judge;
mod leading;
mod rules;
mod scene;
mod script;
mod structures;
mod tables;

/// When everything begins; what matters is only what is added to it.
fn any_instant() -> std::time::Instant {
    std::time::Instant::now()
}
