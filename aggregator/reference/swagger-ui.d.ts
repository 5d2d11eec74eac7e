/** What the reference uses of Swagger UI, which brings no types. */
declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  export default function SwaggerUI(options: Readonly<Record<string, unknown>>): void;
}

/** The bundler takes styles out of the modules that import them. */
declare module "*.css";
