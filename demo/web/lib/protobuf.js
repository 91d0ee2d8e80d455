export { PbfReader } from "pbf";
