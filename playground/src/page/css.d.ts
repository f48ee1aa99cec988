/** @file Style sheets are imported for esbuild, which puts them into page.css. */
declare module '*.css' {}
