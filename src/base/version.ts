/** @file The version of Gradus, as package.json has it (a test compares them); saved models name it. */

/** The version of Gradus. */
export const gradusVersion = '0.1.0'
