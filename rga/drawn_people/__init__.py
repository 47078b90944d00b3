"""The renderer of drawn people: who they are, how an image of them is drawn, and the release that is written."""
