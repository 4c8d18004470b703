//! Payload descriptors: what an SFU may know of a codec without decoding it. One codec, one file.
