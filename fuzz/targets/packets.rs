//! The frame cutter and the readers of CONNECT and of all other packets, on any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidegate::broker::fuzzing::read_all(bytes));
