// onnxruntime-web, its build with WebAssembly alone: staging puts it here.
export * from "onnxruntime-common";
