//! The subject TiKV: stores and placement drivers, and ways to break them
