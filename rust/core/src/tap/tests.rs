//! What is given can be decoded, in whatever order and however incomplete packets come.
