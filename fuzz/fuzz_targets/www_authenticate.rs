#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| layerhold_fuzz::targets::www_authenticate::run(data));
