//! RTCP (RFC 3550 §6 and its extensions): one packet type, one file.
