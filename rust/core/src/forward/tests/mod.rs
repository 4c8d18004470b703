//! Forwarding judged from outside: scripted encoders whose references are known, a lossy way in, and what one subscriber gets.

mod audio;
mod judge;
mod rules;
mod scene;
mod script;
