//! Protocol, keys, orchestration models and every decision of `sharer`, for native and wasm.
