// the stack of imagej.tif: java -Djava.awt.headless=true -jar ij.jar -batch stack.ijm FILE
newImage("stack", "8-bit black", 64, 48, 5);
for (z = 1; z <= 5; z++) {
  setSlice(z);
  for (y = 0; y < 48; y++) for (x = 0; x < 64; x++) setPixel(x, y, 3 * x);
}
run("Properties...", "channels=1 slices=5 frames=1 unit=um pixel_width=0.345 pixel_height=0.345 voxel_depth=0.5");
saveAs("Tiff", getArgument());
