// Imported with { type: "file" }: where the file is, on the disk or inside the executable.

declare module "swagger-ui-dist/*" {
  const path: string;
  export default path;
}

declare module "*/init.js" {
  const path: string;
  export default path;
}
