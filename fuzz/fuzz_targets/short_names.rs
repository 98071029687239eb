#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| layerhold_fuzz::targets::short_names::run(data));
