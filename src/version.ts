import { version as released } from "../package.json";

/** Put in its place when an executable is built: the git tag, and how far from it the source was. */
declare const GUILDHALL_VERSION: string;

/** What runs: 0.6.0, or 0.6.0-3-gabc1234 three commits later; of a source that was not built, package.json's. */
export const version: string = typeof GUILDHALL_VERSION === "string" ? GUILDHALL_VERSION : released;
