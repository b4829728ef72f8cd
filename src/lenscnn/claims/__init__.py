"""Every number that the papers print, beside ours."""
