/**
 * Which of the thousand classes of ImageNet belong to the classes of these stamps, by what the words mean.
 * The first 398 are animals, in ImageNet's own order; a class may be of two kinds, as a mushroom is.
 *
 * @param imageNet names of the thousand classes, as `imageDetails(network).classNames` gives them
 */
export const imageNetClasses = (imageNet: readonly string[]): Readonly<Record<string, readonly string[]>> => ({
  animals: imageNet.slice(0, 398),
  food: words(`
    plate, guacamole, consomme, hot pot, trifle, ice cream, popsicle, baguette, bagel, pretzel, cheeseburger, hot
    dog, mashed potatoes, cabbage, broccoli, cauliflower, zucchini, spaghetti squash, acorn squash, butternut
    squash, cucumber, artichoke, bell pepper, cardoon, mushroom, Granny Smith apple, strawberry, orange, lemon,
    fig, pineapple, banana, jackfruit, cherimoya (custard apple), pomegranate, carbonara, chocolate syrup, dough,
    meatloaf, pizza, pot pie, burrito, red wine, espresso, eggnog, corn, acorn, horse chestnut seed
  `),
  household: words(`
    trash can, ballpoint pen, bathtub, beaker, beer bottle, beer glass, bottle cap, broom, bucket, cauldron,
    candle, can opener, tool kit, cardboard box / carton, storage chest, cleaver, cocktail shaker, coffee mug,
    coffeepot, computer keyboard, corkscrew, Crock Pot, desktop computer, rotary dial telephone, digital clock,
    dining table, dishcloth, dishwasher, electric fan, envelope, espresso machine, folding chair, fountain pen,
    frying pan, goblet, hair clip, hair spray, hammer, hair dryer, handkerchief, hatchet, hook, clothes iron,
    joystick, ladle, lampshade, lens cap, letter opener, lighter, lotion, music speaker, matchstick, measuring
    cup, medicine cabinet, microwave oven, milk can, mixing bowl, monitor, mortar and pestle, computer mouse,
    mousetrap, metal nail, baby pacifier, notebook computer, padlock, paintbrush, paper towel, pencil case, pencil
    sharpener, perfume, Petri dish, pill bottle, pillow, drink pitcher, block plane, plastic bag, plunger, soda
    bottle, plant pot, power drill, printer, quill, radio, rain barrel, refrigerator, remote control, eraser,
    ruler measuring stick, safety pin, salt shaker, weighing scale, CRT monitor, screw, screwdriver, shovel, soap
    dispenser, soup bowl, spatula, stove, strainer, couch, sunglasses, mop, electrical switch, syringe, table
    lamp, teapot, television, thimble, toaster, toilet seat, tray, hot tub, vacuum cleaner, vase, waffle iron,
    wall clock, sink, washing machine, water bottle, water jug, whiskey jug, wine bottle, wok, wooden spoon, tea
    cup, toilet paper
  `),
  plants: words(`
    greenhouse, plant pot, mushroom, hay, rapeseed, daisy, yellow lady's slipper, rose hip, coral fungus, agaric,
    gyromitra, stinkhorn mushroom, earth star fungus, hen of the woods mushroom, bolete, fruiting spike of a
    cereal plant
  `),
  town: words(`
    bakery, barbershop, barn, lighthouse, bell tower, birdhouse, boathouse, bookstore, brass memorial plaque,
    breakwater, butcher shop, castle, church, movie theater, cliff dwelling, candy store, dam, dock, dome,
    flagpole, fountain, gas pump, grocery store, library, sawmill, mailbox, megalith, mobile home, monastery,
    mosque, tent, obelisk, palace, parking meter, patio, payphone, pedestal, picket fence, pier, planetarium,
    prison, restaurant, shoe store, through arch bridge, stone wall, stupa, suspension bridge, thatched roof, tile
    roof, tobacco shop, totem pole, toy store, triumphal arch, vaulted or arched ceiling, viaduct, water tower,
    split-rail fence, shipwreck, yurt, traffic or street sign, traffic light
  `),
  vehicles: words(`
    aircraft carrier, airliner, airship, ambulance, amphibious vehicle, balloon, wheelbarrow, station wagon,
    tandem bicycle, bobsleigh, high-speed train, taxicab, kayak, car wheel, catamaran, container ship,
    convertible, construction crane, dog sled, electric locomotive, fireboat, fire truck, forklift, freight car,
    garbage truck, go-kart, golf cart, gondola, half-track, combine harvester, horse-drawn vehicle, jeep, rickshaw
    vehicle, lawn mower, lifeboat, limousine, ocean liner, minibus, minivan, ford model t, moped, motor scooter,
    mountain bike, moving van, bullock cart, paddle wheel, railroad car, pickup truck, pirate ship, farm plow,
    police van, race car, recreational vehicle, school bus, schooner, snowmobile, snowplow, space shuttle,
    motorboat, sports car, steam locomotive, tram, submarine, tank, threshing machine, tow truck, tractor,
    semi-trailer truck, tricycle, trimaran, trolleybus, unicycle, military aircraft, airplane wing, yawl (boat)
  `),
});

/** Names between commas; a line's end stands for a blank. */
const words = (text: string): string[] => text.replaceAll(/\s+/g, ' ').trim().split(', ');
