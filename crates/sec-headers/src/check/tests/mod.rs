mod observatory;
