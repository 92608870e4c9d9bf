/** Files that the bundler embeds: text as text, anything else by a path that can be read. */
declare module "*.sql" {
  const text: string;
  export default text;
}
declare module "*.py" {
  const text: string;
  export default text;
}
declare module "*.mjs" {
  const text: string;
  export default text;
}
declare module "*.binpb" {
  const path: string;
  export default path;
}
