#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| layerhold_fuzz::targets::record_store::run(data));
