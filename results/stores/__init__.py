"""Keep runs where they last, in a folder, a git branch or an object store, and ask about all of them at once."""
