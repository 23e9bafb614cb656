/** The version of this package, as peers see it. */
export const version = '0.1.0';
