//! Layer archives to directory trees and back: whiteouts, links, xattrs, ID shifting, compression, change lists.
