#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| duress_fuzz::metadata(bytes));
