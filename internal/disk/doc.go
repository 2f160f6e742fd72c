// Package disk is what a store knows of files and of the disk that holds them:
// how much room there is and whether publishing may take some ([Room]), the
// reserve for operations that make room, and whether the files that are open
// still are where the next start looks for them ([Files]). It knows no SQL and
// no items.
package disk
